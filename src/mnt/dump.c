/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dump: sources and mounts as messages. See collect.c for where they come from. */
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mnt/cgroup.h"
#include "mnt/mnt.h"
#include "mnt/options.h"
#include "mnt/table.h"

static int set_text(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

/* The cgroup of the namespace's first task, relative to the mounted directory. */
static int set_cgroup(const struct mnt_source *s, MntSourceEntry *msg)
{
	_cleanup_free_ char *text = NULL, *now = NULL;
	const char *root = streq(s->root, "/") ? "" : s->root, *below;
	int err = cgroup_hierarchy(s->first, &msg->hierarchy);

	if (err >= 0)
		err = set_text(&msg->cgroup, root);
	if (err >= 0)
		err = read_text_at(s->ns->task->proc, "cgroup", &text);
	if (err >= 0)
		err = cgroup_path_of(text, msg->hierarchy, &now);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	below = startswith(streq(now, "/") ? "" : now, root);
	return below && (!*below || *below == '/') && *root ? set_text(&msg->cgroup_below, below) : 0;
}

static int fill_source(struct dump *d, const struct mnt_source *s, MntSourceEntry *msg)
{
	int err;

	msg->id = s->id;
	msg->kind = s->kind;
	msg->sb_flags = s->first->sb_flags;
	msg->mnt_ns_id = s->ns->id;
	msg->is_dir = s->is_dir;
	if (s->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE) {
		msg->has_tty = true;
		msg->tty = s->tty;
	}
	err = set_text(&msg->fstype, s->first->fstype);
	if (err >= 0)
		err = set_text(&msg->device, s->first->source);
	if (err >= 0)
		err = set_text(&msg->path, s->path);
	if (err >= 0)
		err = set_text(&msg->name, s->name);
	if (err >= 0 && s->kind == MNT_SOURCE_ENTRY__KIND__CGROUP)
		err = set_cgroup(s, msg);
	if (err < 0 || s->kind != MNT_SOURCE_ENTRY__KIND__FS)
		return err;
	err = options_to_msg(s->type, s->first->options, msg);
	return err < 0 || s->type->cls == FS_MAKE ? err : mnt_dump_trees(d, s, msg);
}

static int dump_sources(struct dump *d)
{
	const struct source_list *l = &d->mnts->sources;
	struct image_file *f;
	int err = image_file_create(d->img, "mnt-sources", &f), closed;

	if (err < 0)
		return err;
	for (size_t i = 0; i < l->n && err >= 0; i++) {
		MntSourceEntry *msg = malloc(sizeof(*msg));

		if (!msg) {
			err = log_oom();
			break;
		}
		mnt_source_entry__init(msg);
		err = fill_source(d, l->s[i], msg);
		if (err < 0)
			log_errno(err, "mount %s (%s)", l->s[i]->first->point, l->s[i]->first->fstype);
		else
			err = image_file_write(f, &msg->base);
		mnt_source_entry__free_unpacked(msg, NULL);
	}
	closed = image_file_close(f);
	return err < 0 ? err : closed;
}

static void fill_mount(const struct mount *m, const struct mount_list *l, size_t base, MntEntry *msg)
{
	*msg = (MntEntry)MNT_ENTRY__INIT;
	msg->id = base + m->order + 1;
	msg->mnt_ns_id = l->ns->id;
	msg->parent = m->up ? base + m->up->order + 1 : 0;
	msg->point = m->point;
	msg->source = m->from->id;
	msg->rel = m->rel;
	msg->attrs = m->attrs;
	msg->has_deleted = msg->deleted = m->deleted;
	msg->has_shared = (msg->shared = m->shared);
	msg->has_master = (msg->master = m->master);
	msg->has_unbindable = msg->unbindable = m->unbindable;
}

static size_t n_kept(const struct mount_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += !l->m[i]->skipped;
	return n;
}

/* Without those left out by --skip-mnt. */
static void renumber(struct mount_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!l->m[i]->skipped)
			l->m[i]->order = n++;
}

static int dump_mounts(struct dump *d)
{
	struct image_file *f;
	int err = image_file_create(d->img, "mounts", &f), closed;
	size_t base = 0;

	if (err < 0)
		return err;
	for (size_t i = 0; i < d->mnts->n_lists; i++) {
		const struct mount_list *l = &d->mnts->lists[i];

		for (size_t j = 0; j < l->n && err >= 0; j++) {
			MntEntry msg;

			if (l->m[j]->skipped)
				continue;
			fill_mount(l->m[j], l, base, &msg);
			err = image_file_write(f, &msg.base);
		}
		base += n_kept(l);
	}
	closed = image_file_close(f);
	return err < 0 ? err : closed;
}

int mnt_dump(struct dump *d)
{
	int err;

	if (!d->mnts || !d->mnts->n_lists)
		return 0;
	for (size_t i = 0; i < d->mnts->n_lists; i++)
		renumber(&d->mnts->lists[i]);
	err = dump_sources(d);
	return err < 0 ? err : dump_mounts(d);
}
