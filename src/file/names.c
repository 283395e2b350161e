/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of descriptions in messages, and small things all kinds use. */
#include <stdio.h>

#include "file/table.h"

static char *next_buffer(void)
{
	static _Thread_local char ring[4][192];
	static _Thread_local unsigned int at;

	return ring[at++ % ARRAY_SIZE(ring)];
}

const char *file_desc_name(const struct file_desc *f)
{
	const struct file_ops *ops = file_ops_match(f);
	char *buf = next_buffer();

	snprintf(buf, 192, "pid %d fd %d (%s, %.120s)", f->task ? f->task->pid : 0, f->task_fd,
		 ops ? ops->name : "unknown kind", f->link);
	return buf;
}

const char *file_entry_name(const FileEntry *msg)
{
	const struct file_ops *ops = file_ops_kind(msg->kind_case);
	char *buf = next_buffer();

	snprintf(buf, 192, "file %u (%s, task %u, %.120s)", msg->id, ops ? ops->name : "unknown kind",
		 msg->task_id, msg->link ? msg->link : "");
	return buf;
}

int binary_copy(ProtobufCBinaryData *to, const void *bytes, size_t len)
{
	void *p = malloc(len ? len : 1);

	if (!p)
		return -ENOMEM;
	memcpy(p, bytes, len);
	*to = binary_take(p, len);
	return 0;
}

int file_shared_id(struct dump *d, const struct file_desc *f, uint64_t salt, uint32_t *ret_id,
		   bool *ret_first)
{
	return shared_id(d, map_mix(map_mix(f->st.st_dev, f->st.st_ino), salt), ret_id, ret_first);
}

int shared_id(struct dump *d, uint64_t key, uint32_t *ret_id, bool *ret_first)
{
	struct file_table *t = d->files;
	uintptr_t id = (uintptr_t)map_get(&t->shared, key);

	*ret_first = !id;
	if (!id) {
		id = t->n_shared + 1;
		if (map_put(&t->shared, key, (void *)id) < 0)
			return -ENOMEM;
		t->n_shared++;
	}
	*ret_id = id;
	return 0;
}

/* Nothing is taken out of a map: what was given away is marked. */
#define GIVEN ((void *)UINTPTR_MAX)

int file_keep(struct restore *r, uint64_t key, int fd)
{
	if (map_put(&r->files->kept, key, (void *)((uintptr_t)fd + 1)) == 0)
		return 0;
	close(fd);
	return -ENOMEM;
}

int file_kept(const struct restore *r, uint64_t key)
{
	void *val = map_get(&r->files->kept, key);

	return val && val != GIVEN ? (int)((uintptr_t)val - 1) : -ENOENT;
}

int file_unkeep(struct restore *r, uint64_t key)
{
	int fd = file_kept(r, key);

	if (fd >= 0)
		(void)map_put(&r->files->kept, key, GIVEN); /* replaces: takes no memory */
	return fd;
}

void files_kept_done(struct file_store *s)
{
	for (size_t i = 0; i < s->kept.cap; i++) {
		void *val = s->kept.slots[i].val;

		if (val && val != GIVEN)
			close((int)((uintptr_t)val - 1));
	}
	map_done(&s->kept);
}

bool file_has_end(struct dump *d, const struct file_desc *f, unsigned int accmodes)
{
	const struct file_group *g = map_get(&d->files->groups, map_mix(f->st.st_dev, f->st.st_ino));

	for (size_t i = 0; g && i < g->n; i++) {
		const struct file_desc *o = g->descs[i];

		if (o->st.st_dev == f->st.st_dev && o->st.st_ino == f->st.st_ino && !(o->flags & 010000000) &&
		    (1u << (o->flags & 3) & accmodes))
			return true;
	}
	return false;
}
