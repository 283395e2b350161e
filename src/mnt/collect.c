/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dump: the mounts of each mount namespace, by mountinfo, and what each is a mount of. Not restored:
 * mount ids, idmapped mounts, propagation to groups outside the container, detached mounts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "mnt/child.h"
#include "mnt/mnt.h"
#include "mnt/table.h"

void mnt_table_free(struct mnt_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_lists; i++)
		mount_list_done(&t->lists[i]);
	free(t->lists);
	mount_list_done(&t->host);
	source_list_done(&t->sources);
	free(t);
}

static void mnt_table_freep(struct mnt_table **t)
{
	mnt_table_free(*t);
}

static int reachable(const char *path, int id)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID | STATX_TYPE, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID) || st.stx_mnt_id != (uint64_t)id)
		return -ENOENT;
	return S_ISDIR(st.stx_mode);
}

/* Sources whose host path is not known: is the mount a directory? */
static void set_types(struct source_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct mnt_source *s = l->s[i];
		_cleanup_free_ char *path = NULL;
		struct stat st;

		if (s->kind != MNT_SOURCE_ENTRY__KIND__EXTERNAL || s->path || !s->ns || !s->ns->task)
			continue;
		path = xasprintf("root%s", s->first->point);
		if (path && fstatat(s->ns->task->proc, path, &st, 0) == 0)
			s->is_dir = S_ISDIR(st.st_mode);
	}
}

static const char *external(const void *data, const char *point)
{
	const char *name = options_external(data, "mnt", point);

	return name && *name ? name : NULL;
}

static bool is_skipped(const struct options *o, const struct mount *m)
{
	for (; m; m = m->up)
		for (size_t i = 0; i < o->n_skip_mounts; i++)
			if (streq(m->point, o->skip_mounts[i]))
				return true;
	return false;
}

/* --skip-mnt: they and all below them are not in the image. */
static void mark_skipped(const struct options *o, struct mount_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->m[i]->skipped = is_skipped(o, l->m[i]);
}

static int read_host(struct mount_list *ret)
{
	_cleanup_free_ char *text = NULL;
	int err = read_text_at(AT_FDCWD, "/proc/thread-self/mountinfo", &text);

	return err < 0 ? err : mountinfo_parse(text, ret);
}

static int read_list(const struct dump *d, struct ns *ns, struct mount_list *ret)
{
	_cleanup_(mount_list_done) struct mount_list l = { 0 };
	_cleanup_free_ char *text = NULL;
	int err = mountinfo_read(ns->fd, &text);

	if (err >= 0)
		err = mountinfo_parse(text, &l);
	if (err >= 0)
		err = mount_list_arrange(&l);
	if (err < 0)
		return log_errno(err, "pid %d: reading the mounts of its mount namespace", ns->task->pid);
	mark_skipped(d->opt, &l);
	l.ns = ns;
	*ret = mount_list_take(&l);
	return 0;
}

static int read_lists(const struct dump *d, struct mnt_table *t)
{
	t->lists = calloc(d->n_ns + 1, sizeof(*t->lists));
	if (!t->lists)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_ns; i++) {
		int err;

		if (d->ns[i]->kind != NS_MNT)
			continue;
		err = read_list(d, d->ns[i], &t->lists[t->n_lists]);
		if (err < 0)
			return err;
		t->n_lists++;
	}
	return 0;
}

/* Is @m the file of a unix socket? Only if it is not covered can that be seen. */
static bool is_socket(const struct mount_list *l, const struct mount *m)
{
	_cleanup_free_ char *path = xasprintf("root%s", m->point);
	struct statx st;

	if (!path || statx(l->ns->task->proc, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID | STATX_TYPE, &st) < 0)
		return false;
	return st.stx_mnt_id == (uint64_t)m->id && S_ISSOCK(st.stx_mode);
}

/* Sockets in memory get their files by bind(2), long after the mounts are made. */
static int check_sockets(const struct mnt_table *t, source_why *why, void *why_data)
{
	int err = 0;

	for (size_t i = 0; i < t->n_lists && err >= 0; i++)
		for (size_t j = 0; j < t->lists[i].n && err >= 0; j++) {
			const struct mount_list *l = &t->lists[i];
			const struct mount *m = l->m[j];

			if (m->from && m->from->kind == MNT_SOURCE_ENTRY__KIND__FS && *m->rel &&
			    is_socket(l, m))
				err = why(why_data, l, m, "it is a bind of a unix socket's file; unmount it");
		}
	return err;
}

int mnt_table_read(struct dump *d, source_why *why, void *why_data, struct mnt_table **ret)
{
	_cleanup_(mnt_table_freep) struct mnt_table *t = calloc(1, sizeof(*t));
	struct source_world w;
	int err;

	if (!t)
		return log_oom();
	err = read_host(&t->host);
	if (err < 0)
		return log_errno(err, "reading the host's mounts");
	err = read_lists(d, t);
	if (err < 0)
		return err;
	w = (struct source_world){ &t->host, reachable, external, d->opt };
	err = sources_find(&w, t->lists, t->n_lists, &t->sources, why, why_data);
	if (err >= 0)
		err = check_sockets(t, why, why_data);
	if (err < 0)
		return err;
	set_types(&t->sources);
	*ret = TAKE_PTR(t);
	return 0;
}

static int note_obstacle(void *data, const struct mount_list *l, const struct mount *m, const char *text)
{
	return dump_obstacle(data, "pid %d: mount %s (%s): %s", l->ns->task->pid, m->point, m->fstype, text);
}

int mnt_survey(struct dump *d)
{
	_cleanup_(mnt_table_freep) struct mnt_table *t = NULL;

	return mnt_table_read(d, note_obstacle, d, &t);
}

static int log_obstacle(void *data, const struct mount_list *l, const struct mount *m, const char *text)
{
	log_error("pid %d: mount %s (%s): %s", l->ns->task->pid, m->point, m->fstype, text);
	return -EOPNOTSUPP;
}

int mnt_collect(struct dump *d)
{
	mnt_table_free(d->mnts);
	d->mnts = NULL;
	return mnt_table_read(d, log_obstacle, d, &d->mnts);
}

void mnt_dump_done(struct dump *d)
{
	mnt_table_free(d->mnts);
	d->mnts = NULL;
}

/* "/path (deleted)" without the mark. */
static char *plain_path(const char *link)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(link), k = sizeof(mark) - 1;

	return n > k && streq(link + n - k, mark) ? strndup(link, n - k) : strdup(link);
}

static int find_ns(const struct mnt_table *t, int mnt_id, uint32_t *ret)
{
	for (size_t i = 0; i < t->n_lists; i++) {
		if (!mount_list_find(&t->lists[i], mnt_id))
			continue;
		*ret = t->lists[i].ns->id;
		return 0;
	}
	if (!mount_list_find(&t->host, mnt_id))
		return -ENOENT;
	*ret = 0;
	return 0;
}

int mnt_resolve(struct dump *d, const struct task *t, int mnt_id, const char *link, uint32_t *ret_ns,
		char **ret_path)
{
	uint32_t ns;
	char *path;
	int err;

	if (!d->mnts || link[0] != '/')
		return -ENOENT;
	err = find_ns(d->mnts, mnt_id, &ns);
	if (err < 0)
		return err;
	path = plain_path(link);
	if (!path)
		return -ENOMEM;
	*ret_ns = ns;
	*ret_path = path;
	return 0;
}
