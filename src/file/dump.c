/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing files.img and fds.img. */
#include <stdio.h>

#include "base/log.h"
#include "file/remap.h"
#include "file/table.h"
#include "image/image.h"

static void message_done(FileEntry **msg)
{
	if (*msg)
		protobuf_c_message_free_unpacked(&(*msg)->base, NULL);
}

static int fill_entry(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	const struct file_ops *ops = file_ops_match(f);
	int err;

	msg->id = f->id;
	msg->flags = f->flags;
	msg->pos = f->pos;
	msg->task_id = f->task->id;
	msg->link = strdup(f->link);
	if (!msg->link)
		return log_oom();
	if (!ops) {
		log_error("pid %d fd %d (%s): a kind of file ctcr does not know; close it", f->task->pid,
			  f->task_fd, f->link);
		return -EOPNOTSUPP;
	}
	err = ops->dump(d, f, msg);
	if (err >= 0)
		err = fown_dump(d, f, msg);
	if (err >= 0)
		err = locks_dump(d, f, msg);
	if (err < 0)
		log_debug("%s: not dumped: %s", file_desc_name(f), strerror(-err));
	return err;
}

static int dump_entries(struct dump *d, struct image_file *out)
{
	for (size_t i = 0; i < d->files->n; i++) {
		_cleanup_(message_done) FileEntry *msg = MSG_NEW(FileEntry, file_entry);
		int err = msg ? fill_entry(d, d->files->descs[i], msg) : log_oom();

		if (err >= 0)
			err = image_file_write(out, &msg->base);
		if (err < 0)
			return err;
	}
	return 0;
}

static int write_table(struct image_file *out, const struct fd_table *t)
{
	_cleanup_free_ FdEntry *fds = calloc(t->n + 1, sizeof(*fds));
	_cleanup_free_ FdEntry **list = calloc(t->n + 1, sizeof(*list));
	FdTableEntry msg = FD_TABLE_ENTRY__INIT;

	if (!fds || !list)
		return log_oom();
	for (size_t i = 0; i < t->n; i++) {
		fd_entry__init(&fds[i]);
		fds[i].fd = t->fds[i].fd;
		fds[i].file_id = t->fds[i].file_id;
		fds[i].cloexec = t->fds[i].cloexec;
		list[i] = &fds[i];
	}
	msg.id = t->files_id;
	msg.fds = list;
	msg.n_fds = t->n;
	return image_file_write(out, &msg.base);
}

static int dump_tables(struct dump *d, struct image_file *out)
{
	int err = 0;

	for (size_t i = 0; i < d->files->n_tables && err >= 0; i++)
		err = write_table(out, &d->files->tables[i]);
	return err;
}

int files_dump(struct dump *d)
{
	static const struct {
		const char *name;
		int (*write)(struct dump *d, struct image_file *out);
	} files[] = { { "files", dump_entries }, { "fds", dump_tables } };

	int err;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct image_file *out;
		int end;

		err = image_file_create(d->img, files[i].name, &out);
		if (err < 0)
			return err;
		err = files[i].write(d, out);
		end = image_file_close(out);
		if (err < 0 || end < 0)
			return err < 0 ? err : end;
	}
	err = ghosts_write(d);
	return err < 0 ? err : remaps_make(d);
}
