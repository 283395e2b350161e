/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dump: what is in file systems that exist only in the container. Of such a file system as much is
 * taken as is mounted anywhere: the whole if some mount shows its root, else the parts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mnt/archive.h"
#include "mnt/child.h"
#include "mnt/table.h"

struct part {
	const struct mount_list *list;
	struct mount *m;
	int fd;
};

static void parts_close(struct part *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_fd(&p[i].fd);
	free(p);
}

/* Shorter roots first, those that are still linked before the unlinked. */
static int cmp_part(const void *a, const void *b)
{
	const struct mount *x = ((const struct part *)a)->m, *y = ((const struct part *)b)->m;
	size_t nx = strlen(x->root), ny = strlen(y->root);

	if (x->deleted != y->deleted)
		return x->deleted ? 1 : -1;
	return nx < ny ? -1 : nx > ny;
}

static bool is_covered(const struct part *parts, size_t n, const struct mount *m)
{
	for (size_t i = 0; i < n; i++) {
		const struct mount *p = parts[i].m;

		if (m->deleted != p->deleted)
			continue;
		if (m->deleted ? streq(m->root, p->root) : path_below(m->root, p->root) != NULL)
			return true;
	}
	return false;
}

static int find_parts(const struct dump *d, const struct mnt_source *s, struct part **ret, size_t *ret_n)
{
	struct part *parts = NULL;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < d->mnts->n_lists; i++)
		for (size_t j = 0; j < d->mnts->lists[i].n; j++) {
			const struct mount_list *l = &d->mnts->lists[i];

			if (l->m[j]->from != s)
				continue;
			if (!GROW(parts, n)) {
				free(parts);
				return -ENOMEM;
			}
			parts[n++] = (struct part){ l, l->m[j], -1 };
		}
	if (n)
		qsort(parts, n, sizeof(*parts), cmp_part);
	for (size_t i = 0; i < n; i++)
		if (!is_covered(parts, kept, parts[i].m))
			parts[kept++] = parts[i];
	*ret = parts;
	*ret_n = kept;
	return 0;
}

static int open_part(struct part *p)
{
	const struct ns *ns = p->list->ns;

	return mount_peek(ns->fd, ns->owner ? ns->owner->fd : -1, p->list, &p->m, 1, &p->fd);
}

static int add_tree(MntSourceEntry *msg, const struct mount *m, const char *file, bool is_dir)
{
	MntTreeEntry *t = malloc(sizeof(*t));

	if (!t || !GROW(msg->trees, msg->n_trees)) {
		free(t);
		return -ENOMEM;
	}
	mnt_tree_entry__init(t);
	msg->trees[msg->n_trees++] = t;
	t->is_dir = is_dir;
	t->has_deleted = t->deleted = m->deleted;
	t->root = strdup(m->root);
	t->archive = strdup(file);
	return t->root && t->archive ? 0 : -ENOMEM;
}

static int dump_part(struct dump *d, const struct part *p, const char *file, MntSourceEntry *msg)
{
	_cleanup_free_ char *what = xasprintf("%s %s", p->m->fstype, p->m->point);
	_cleanup_close_ int out = -1;
	struct stat st;
	int err;

	if (!what)
		return -ENOMEM;
	if (fstat(p->fd, &st) < 0)
		return -errno;
	out = image_raw_create(d->img, file);
	if (out < 0)
		return out;
	err = archive_pack(p->fd, out, what);
	if (err < 0)
		return err;
	return add_tree(msg, p->m, file, S_ISDIR(st.st_mode));
}

/* Nothing but what the kernel itself shows there. */
static int check_empty(const struct part *p)
{
	_cleanup_dir_ DIR *dir = dir_open_at(p->fd, ".");
	struct dirent *de;

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		static const char *const kernels[] = { ".",	 "..",	       "register",
						       "status", "maps.debug", "progs.debug" };
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
			known |= streq(de->d_name, kernels[i]);
		if (known)
			continue;
		log_error("mount %s (%s): it holds %s, which cannot be saved; remove it", p->m->point,
			  p->m->fstype, de->d_name);
		return -EOPNOTSUPP;
	}
	return 0;
}

int mnt_dump_trees(struct dump *d, const struct mnt_source *s, MntSourceEntry *msg)
{
	struct part *parts = NULL;
	size_t n = 0;
	int err = find_parts(d, s, &parts, &n);

	for (size_t i = 0; i < n && err >= 0; i++) {
		char file[48];

		snprintf(file, sizeof(file), "tmpfs-%u-%zu.tar", s->id, i);
		err = open_part(&parts[i]);
		if (err < 0)
			log_errno(err, "mount %s (%s): getting at its contents", parts[i].m->point,
				  parts[i].m->fstype);
		else
			err = s->type->cls == FS_EMPTY ? check_empty(&parts[i])
						       : dump_part(d, &parts[i], file, msg);
	}
	parts_close(parts, n);
	return err;
}
