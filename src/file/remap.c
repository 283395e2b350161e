/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that lost the name it was opened by but has another one: it is opened again by another name in the
 * same directory, or (--link-remap) by a temporary one, made there at the end of the dump and removed by the
 * restore when it is complete. If the tasks go on, the dump itself removes it; if the dump is killed, its
 * guard.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "file/remap.h"
#include "file/table.h"

#define PREFIX ".ctcr-link-"

struct remap {
	int dir; /* O_PATH */
	char *name; /* in it */
	const struct file_desc *file; /* dump: what it is to lead to */
};

struct remaps {
	struct remap *v;
	size_t n;
	bool made; /* dump: there may be some on disk */
	struct guard guard;
};

static int open_dir(int root, const char *dir)
{
	dir += strspn(dir, "/");
	return RET_NERRNO(openat(root, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* Another name of @f in the directory @fd, found by inode; malloc()ed, NULL if there is none. */
static char *find_name(int fd, const struct file_desc *f)
{
	_cleanup_dir_ DIR *dir = dir_open_at(fd, ".");
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		struct stat st;

		if (de->d_ino == f->st.st_ino && !startswith(de->d_name, PREFIX) &&
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == f->st.st_ino &&
		    st.st_dev == f->st.st_dev)
			return strdup(de->d_name);
	}
	return NULL;
}

int file_other_name(struct dump *d, const struct file_desc *f, char **path)
{
	_cleanup_close_ int root = file_root_open(d, f);
	_cleanup_free_ char *dir = strndup(*path, strrchr(*path, '/') - *path), *name = NULL;
	_cleanup_close_ int fd = -1;
	char *found;

	if (root < 0)
		return root;
	if (!dir)
		return -ENOMEM;
	fd = open_dir(root, dir);
	if (fd < 0)
		return fd;
	name = find_name(fd, f);
	if (!name && d->opt->link_remap)
		name = xasprintf(PREFIX "%llu.%d.%lld", (unsigned long long)f->st.st_ino, getpid(),
				 (long long)time(NULL));
	if (!name)
		return -ENOENT;
	found = xasprintf("%s/%s", dir, name);
	if (!found)
		return -ENOMEM;
	free(*path);
	*path = found;
	return 0;
}

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

bool remap_is(const char *path)
{
	return startswith(base_name(path), PREFIX) != NULL;
}

static int add(struct remaps **all, struct remap *r)
{
	if (!*all)
		*all = calloc(1, sizeof(**all));
	if (!r->name || !*all || !GROW((*all)->v, (*all)->n)) {
		close_fd(&r->dir);
		free(r->name);
		return -ENOMEM;
	}
	(*all)->v[(*all)->n++] = *r;
	return 0;
}

int remap_plan(struct dump *d, const struct file_desc *f, const char *path)
{
	_cleanup_close_ int root = file_root_open(d, f);
	_cleanup_free_ char *dir = strndup(path, strrchr(path, '/') - path);
	struct remap r = { .dir = -1, .file = f };

	if (root < 0 || !dir)
		return root < 0 ? root : -ENOMEM;
	r.dir = open_dir(root, dir);
	if (r.dir < 0)
		return r.dir;
	r.dir = fd_high(r.dir);
	r.name = strdup(base_name(path));
	return add(&d->files->remaps, &r);
}

static void unlink_all(void *arg)
{
	const struct remaps *all = arg;

	for (size_t i = 0; i < all->n; i++)
		unlinkat(all->v[i].dir, all->v[i].name, 0);
}

/* It is there already if several descriptions of the file are open. */
static int make(const struct remap *r)
{
	char from[40];
	struct stat st;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", r->file->fd);
	if (linkat(AT_FDCWD, from, r->dir, r->name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno == EEXIST && fstatat(r->dir, r->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == r->file->st.st_ino)
		return 0;
	return -errno;
}

int remaps_make(struct dump *d)
{
	struct remaps *all = d->files->remaps;
	_cleanup_free_ int *dirs = NULL;
	int err;

	if (!all)
		return 0;
	dirs = calloc(all->n, sizeof(*dirs));
	if (!dirs)
		return log_oom();
	for (size_t i = 0; i < all->n; i++)
		dirs[i] = all->v[i].dir;
	err = guard_start(&all->guard, unlink_all, all, dirs, all->n);
	if (err < 0)
		return log_errno(err, "guard of temporary links");
	all->made = true;
	for (size_t i = 0; i < all->n; i++) {
		err = make(&all->v[i]);
		if (err < 0)
			return log_errno(
				err,
				"%s: it lost its name, and a temporary one cannot be made in its directory",
				file_desc_name(all->v[i].file));
	}
	return 0;
}

void remaps_done(struct remaps *all, bool keep)
{
	if (!all)
		return;
	if (all->made && !keep)
		unlink_all(all);
	guard_dismiss(&all->guard);
	for (size_t i = 0; i < all->n; i++) {
		close_fd(&all->v[i].dir);
		free(all->v[i].name);
	}
	free(all->v);
	free(all);
}

void files_keep_links(struct dump *d)
{
	if (d->files)
		remaps_done(TAKE_PTR(d->files->remaps), true);
}

int remap_check(const RegEntry *e)
{
	if (!remap_is(e->path) || (e->lost_name && (strchr(e->lost_name, '/') || e->lost_name[0] == 0)))
		return -EBADMSG;
	return 0;
}

int remap_open(struct restore *r, struct remote *hand, const RegEntry *e, int flags)
{
	_cleanup_free_ char *dir = strndup(e->path, strrchr(e->path, '/') - e->path), *lost = NULL;
	struct remap m = { .dir = -1 };
	bool named;
	int fd;

	if (!dir)
		return -ENOMEM;
	m.dir = outside_open(hand, *dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m.dir < 0)
		return m.dir;
	m.dir = fd_high(m.dir);
	lost = e->lost_name ? xasprintf("%s/%s", dir, e->lost_name) : NULL;
	m.name = strdup(base_name(e->path));
	/* opened by the name it had, if that is free: /proc shows the file as it did */
	named = lost && m.name && linkat(m.dir, m.name, m.dir, e->lost_name, 0) == 0;
	fd = hand_open(hand, named ? lost : e->path, flags);
	if (named)
		unlinkat(m.dir, e->lost_name, 0);
	if (fd < 0) {
		close_fd(&m.dir);
		free(m.name);
		return fd;
	}
	if (add(&r->files->remaps, &m) < 0) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

void files_remove_links(struct restore *r)
{
	if (r->files && r->files->remaps)
		unlink_all(r->files->remaps);
}
