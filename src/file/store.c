/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and checking files.img and fds.img, ordering, making objects on demand. */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/io.h"
#include "file/remap.h"
#include "file/table.h"
#include "image/image.h"

#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static int check_entry(struct restore *r, size_t i)
{
	struct file_store *s = r->files;
	FileEntry *msg = (FileEntry *)s->msgs[i];
	struct file_obj *o = &s->objs[i];

	o->fd = -1;
	o->msg = msg;
	o->ops = file_ops_kind(msg->kind_case);
	if (msg->id != i + 1 || !msg->task_id || msg->task_id > r->n_tasks) {
		log_error("files.img: record %zu: bad id %u or task %u; the image is damaged", i, msg->id,
			  msg->task_id);
		return -EBADMSG;
	}
	if (!o->ops || !o->ops->restore) {
		log_error("files.img: file %u (%s): of a kind this ctcr does not know", msg->id,
			  msg->link ? msg->link : "");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_table(const struct file_store *s, size_t i)
{
	const FdTableEntry *t = (const FdTableEntry *)s->tables[i];
	int64_t last = -1;

	for (size_t j = 0; j < i; j++)
		if (((const FdTableEntry *)s->tables[j])->id == t->id)
			return -EBADMSG;
	for (size_t j = 0; j < t->n_fds; j++) {
		const FdEntry *e = t->fds[j];

		if (e->fd <= last || e->fd > INT32_MAX - 1024 || !e->file_id || e->file_id > s->n)
			return -EBADMSG;
		last = e->fd;
	}
	return 0;
}

int files_load(struct restore *r)
{
	struct file_store *s = r->files = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return log_oom();
	err = image_read(r->img, "files", &file_entry__descriptor, &s->msgs, &s->n);
	if (err >= 0)
		err = image_read(r->img, "fds", &fd_table_entry__descriptor, &s->tables, &s->n_tables);
	if (err >= 0)
		err = ghosts_load(r);
	if (err < 0)
		return err;
	s->objs = calloc(s->n + 1, sizeof(*s->objs));
	if (!s->objs)
		return log_oom();
	for (size_t i = 0; i < s->n; i++)
		s->objs[i].fd = -1;
	for (size_t i = 0; i < s->n && err >= 0; i++)
		err = check_entry(r, i);
	for (size_t i = 0; i < s->n_tables && err >= 0; i++) {
		err = check_table(s, i);
		if (err < 0)
			log_error("fds.img: table %zu: bad numbers; the image is damaged", i);
	}
	return err;
}

void files_restore_done(struct restore *r)
{
	struct file_store *s = r->files;

	if (!s)
		return;
	for (size_t i = 0; s->objs && i < s->n; i++) {
		close_fd(&s->objs[i].fd);
		free(s->objs[i].deps);
	}
	remaps_done(s->remaps, true);
	files_kept_done(s);
	ttys_done(s);
	image_messages_free(s->msgs, s->n);
	image_messages_free(s->tables, s->n_tables);
	image_messages_free(s->ghosts, s->n_ghosts);
	free(s->objs);
	free(s->order);
	free(s);
	r->files = NULL;
}

int file_dep(struct restore *r, uint32_t id)
{
	struct file_obj *o = &r->files->objs[r->files->planning - 1];

	if (!id || id > r->files->n) {
		log_error("%s: refers to file %u, which is not in the image", file_entry_name(o->msg), id);
		return -EBADMSG;
	}
	if (!GROW(o->deps, o->n_deps))
		return log_oom();
	o->deps[o->n_deps++] = id;
	return 0;
}

static int visit(struct restore *r, uint32_t id, unsigned int depth)
{
	struct file_store *s = r->files;
	struct file_obj *o = &s->objs[id - 1];

	if (o->mark == 2)
		return 0;
	if (o->mark == 1 || depth > 1000) {
		log_error("%s: is needed by itself, in a circle", file_entry_name(o->msg));
		return -ELOOP;
	}
	o->mark = 1;
	for (size_t i = 0; i < o->n_deps; i++) {
		int err = visit(r, o->deps[i], depth + 1);

		if (err < 0) {
			if (err == -ELOOP)
				log_error("  by %s", file_entry_name(o->msg));
			return err;
		}
	}
	o->mark = 2;
	s->order[s->n_order++] = id;
	return 0;
}

int files_plan(struct restore *r)
{
	struct file_store *s = r->files;
	int err = 0;

	s->order = calloc(s->n + 1, sizeof(*s->order));
	if (!s->order)
		return log_oom();
	for (size_t i = 0; i < s->n && err >= 0; i++) {
		s->planning = i + 1;
		if (s->objs[i].ops->deps)
			err = s->objs[i].ops->deps(r, s->objs[i].msg);
	}
	for (size_t i = 0; i < s->n && err >= 0; i++)
		err = visit(r, i + 1, 0);
	return err;
}

const struct inherit_fd *file_inherited(const struct restore *r, const FileEntry *msg)
{
	const char *link = msg->link ? msg->link : "";

	for (size_t i = r->opt ? r->opt->n_inherit : 0; i-- > 0;) {
		const struct inherit_fd *in = &r->opt->inherit[i];

		if (streq(in->key, link) || (link[0] == '/' && streq(in->key, link + 1)))
			return in;
	}
	return NULL;
}

/* O_* status flags and the position, as far as they differ from what the kind made. */
static int set_state(const FileEntry *msg, int fd)
{
	int now = fcntl(fd, F_GETFL);
	struct stat st;

	if (msg->flags & O_PATH)
		return 0;
	if (now < 0)
		return -errno;
	if (((unsigned int)now ^ msg->flags) & STATUS_FLAGS &&
	    fcntl(fd, F_SETFL, (now & ~STATUS_FLAGS) | (msg->flags & STATUS_FLAGS)) < 0)
		return -errno;
	if (!msg->pos || fstat(fd, &st) < 0)
		return 0;
	if (lseek(fd, (off_t)msg->pos, SEEK_SET) < 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return -errno;
	return 0;
}

static int make(struct restore *r, struct file_obj *o)
{
	struct rtask *t = o->ops->maker ? o->ops->maker(r, o->msg) : &r->tasks[0];
	const struct inherit_fd *in = file_inherited(r, o->msg);
	int fd, err;

	if (in) {
		o->fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 512);
		return o->fd < 0 ? log_errno(errno, "%s: --inherit-fd %d", file_entry_name(o->msg), in->fd)
				 : 0;
	}
	if (!t || !t->hand) {
		log_error("%s: no task stands where it can be made", file_entry_name(o->msg));
		return -ENOENT;
	}
	fd = o->ops->restore(r, o->msg, t->hand);
	if (fd < 0)
		return fd;
	o->fd = fd_high(fd);
	err = set_state(o->msg, o->fd);
	if (err < 0)
		return log_errno(err, "%s: flags and position", file_entry_name(o->msg));
	return 0;
}

int files_get(struct restore *r, uint32_t id)
{
	struct file_obj *o;

	if (!id || id > r->files->n) {
		log_error("file %u is not in the image; it is damaged", id);
		return -EBADMSG;
	}
	o = &r->files->objs[id - 1];
	if (o->fd >= 0)
		return o->fd;
	for (size_t i = 0; i < o->n_deps; i++) {
		int fd = files_get(r, o->deps[i]);

		if (fd < 0)
			return fd;
	}
	if (o->fd < 0) {
		int err = make(r, o);

		if (err < 0)
			return err;
	}
	return o->fd;
}

const FileEntry *files_entry(const struct restore *r, uint32_t id)
{
	return id && r->files && id <= r->files->n ? r->files->objs[id - 1].msg : NULL;
}

int files_restore(struct restore *r)
{
	for (size_t i = 0; i < r->files->n_order; i++) {
		int fd = files_get(r, r->files->order[i]);

		if (fd < 0)
			return fd;
	}
	return 0;
}

int files_finish(struct restore *r)
{
	struct file_store *s = r->files;
	int err = 0;

	for (size_t i = 0; i < s->n_order && err >= 0; i++) {
		struct file_obj *o = &s->objs[s->order[i] - 1];

		err = o->ops->finish ? o->ops->finish(r, o->msg, o->fd) : 0;
	}
	if (err >= 0)
		err = tty_keep_masters(r);
	/* After that no descriptor is closed any more: POSIX locks would go with it. */
	for (size_t i = 0; i < s->n && err >= 0; i++) {
		struct file_obj *o = &s->objs[i];

		err = fown_restore(r, o->msg, o->fd);
		if (err >= 0)
			err = locks_restore(r, o->msg, o->fd);
	}
	return err;
}
