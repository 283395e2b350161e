/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ghosts: files and directories that were unlinked while open. Contents, owner, mode, times and extended
 * attributes are kept in the image (up to --ghost-limit). Restored once per inode: made under the old name,
 * or a spare one when that is taken, unlinked at once, and opened again through /proc/self/fd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/log.h"
#include "file/table.h"
#include "image/image.h"
#include "proto/ghost.pb-c.h"

#define GHOST_SALT 0x67686f7374ull

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static int save_xattr(int fd, GhostEntry *e, const char *name)
{
	ssize_t len = fgetxattr(fd, name, NULL, 0);
	GhostXattr *x;

	if (len < 0)
		return 0;
	x = MSG_NEW(GhostXattr, ghost_xattr);
	if (!x || !GROW(e->xattrs, e->n_xattrs)) {
		free(x);
		return -ENOMEM;
	}
	e->xattrs[e->n_xattrs++] = x;
	x->name = strdup(name);
	x->value = binary_take(malloc(len + 1), 0);
	if (!x->name || !x->value.data)
		return -ENOMEM;
	len = fgetxattr(fd, name, x->value.data, len);
	x->value.len = len < 0 ? 0 : len;
	return len < 0 ? -errno : 0;
}

static int save_xattrs(int fd, GhostEntry *e)
{
	char names[4096];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	for (ssize_t at = 0; at < len; at += strlen(names + at) + 1) {
		int err = save_xattr(fd, e, names + at);

		if (err < 0)
			return err;
	}
	return 0;
}

static int add_extents(GhostEntry *e, const uint64_t *ext, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		GhostExtent *x = MSG_NEW(GhostExtent, ghost_extent);

		if (!x || !GROW(e->extents, e->n_extents)) {
			free(x);
			return -ENOMEM;
		}
		x->offset = ext[i];
		x->length = ext[i + 1];
		e->extents[e->n_extents++] = x;
	}
	return 0;
}

static int save_data(struct dump *d, int fd, GhostEntry *e)
{
	_cleanup_free_ uint64_t *ext = NULL;
	char name[32];
	size_t n;
	int err = data_extents(fd, e->size, &ext, &n);

	if (err >= 0)
		err = add_extents(e, ext, n);
	if (err < 0 || !n)
		return err;
	snprintf(name, sizeof(name), "ghost-%u.img", e->id);
	return data_save(d, fd, ext, n, name);
}

static int fill(struct dump *d, const struct file_desc *f, GhostEntry *e)
{
	_cleanup_close_ int fd = -1;
	int err = file_owner(d, f, &e->uid, &e->gid);

	e->mode = f->st.st_mode;
	e->atime_ns = to_ns(&f->st.st_atim);
	e->mtime_ns = to_ns(&f->st.st_mtim);
	if (err < 0 || (!S_ISREG(f->st.st_mode) && !S_ISDIR(f->st.st_mode)))
		return err;
	fd = fd_reopen(f->fd, O_RDONLY | O_NOATIME);
	if (fd < 0)
		return fd;
	err = save_xattrs(fd, e);
	if (err < 0 || !S_ISREG(f->st.st_mode))
		return err;
	e->size = f->st.st_size;
	return save_data(d, fd, e);
}

int ghost_dump(struct dump *d, const struct file_desc *f, uint32_t *ret_id)
{
	struct file_table *t = d->files;
	GhostEntry *e;
	bool first;
	int err = file_shared_id(d, f, GHOST_SALT, ret_id, &first);

	if (err < 0 || !first)
		return err;
	if (d->opt->ghost_limit && (uint64_t)f->st.st_blocks * 512 > d->opt->ghost_limit) {
		log_error("%s: deleted, with %llu bytes larger than --ghost-limit", file_desc_name(f),
			  (unsigned long long)f->st.st_blocks * 512);
		return -EFBIG;
	}
	e = MSG_NEW(GhostEntry, ghost_entry);
	if (!e || !GROW(t->ghosts, t->n_ghosts)) {
		free(e);
		return log_oom();
	}
	t->ghosts[t->n_ghosts++] = &e->base;
	e->id = *ret_id;
	err = fill(d, f, e);
	if (err < 0)
		return log_errno(err, "%s: contents of a deleted file", file_desc_name(f));
	return 0;
}

int ghosts_write(struct dump *d)
{
	return image_write(d->img, "ghosts", (const ProtobufCMessage *const *)d->files->ghosts,
			   d->files->n_ghosts);
}

/* The extents as pairs, checked. */
static int get_extents(const GhostEntry *e, uint64_t **ret, size_t *ret_n)
{
	uint64_t *ext = calloc(2 * e->n_extents + 1, sizeof(*ext));

	if (!ext)
		return -ENOMEM;
	for (size_t i = 0; i < e->n_extents; i++) {
		ext[2 * i] = e->extents[i]->offset;
		ext[2 * i + 1] = e->extents[i]->length;
	}
	*ret = ext;
	*ret_n = 2 * e->n_extents;
	return data_check(ext, *ret_n, e->size);
}

int ghosts_load(struct restore *r)
{
	struct file_store *s = r->files;
	int err = image_read(r->img, "ghosts", &ghost_entry__descriptor, &s->ghosts, &s->n_ghosts);

	for (size_t i = 0; err >= 0 && i < s->n_ghosts; i++) {
		_cleanup_free_ uint64_t *ext = NULL;
		size_t n;

		err = get_extents((GhostEntry *)s->ghosts[i], &ext, &n);
		if (err < 0)
			log_error("ghosts.img: record %zu: bad extents; the image is damaged", i);
	}
	return err;
}

const GhostEntry *ghost_entry(const struct restore *r, uint32_t id)
{
	for (size_t i = 0; i < r->files->n_ghosts; i++)
		if (((GhostEntry *)r->files->ghosts[i])->id == id)
			return (GhostEntry *)r->files->ghosts[i];
	return NULL;
}

static int load_contents(struct restore *r, const GhostEntry *e, int fd)
{
	_cleanup_free_ uint64_t *ext = NULL;
	const struct timespec times[2] = {
		{ e->atime_ns / 1000000000, e->atime_ns % 1000000000 },
		{ e->mtime_ns / 1000000000, e->mtime_ns % 1000000000 },
	};
	char name[32];
	size_t n;
	int err = get_extents(e, &ext, &n);

	snprintf(name, sizeof(name), "ghost-%u.img", e->id);
	if (err >= 0 && S_ISREG(e->mode))
		err = ftruncate(fd, (off_t)e->size) < 0 ? -errno : data_load(r, fd, ext, n, name);
	if (err >= 0)
		err = file_chown(r, fd, e->uid, e->gid);
	if (err >= 0 && fchmod(fd, e->mode & 07777) < 0)
		err = -errno;
	for (size_t i = 0; err >= 0 && i < e->n_xattrs; i++)
		if (fsetxattr(fd, e->xattrs[i]->name, e->xattrs[i]->value.data, e->xattrs[i]->value.len, 0) <
		    0)
			log_warn("ghost %u: attribute %s not set: %s", e->id, e->xattrs[i]->name,
				 strerror(errno));
	if (err >= 0)
		futimens(fd, times);
	return err;
}

/* Make it as @path by the hand, take it, remove the name. */
static int create_at(struct remote *hand, const GhostEntry *e, const char *path)
{
	bool dir = S_ISDIR(e->mode);
	uint64_t name = remote_str(hand, path);
	struct remote_call *open_call;
	int fd, err;

	if (dir)
		remote_call(hand, SYS_mkdirat, AT_FDCWD, name, 0700);
	else if (!S_ISREG(e->mode))
		remote_call(hand, SYS_mknodat, AT_FDCWD, name, e->mode, 0);
	open_call = remote_call(hand, SYS_openat, AT_FDCWD, name,
				dir		   ? O_RDONLY | O_DIRECTORY | O_CLOEXEC
				: S_ISREG(e->mode) ? O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
						   : O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW,
				0600);
	remote_call(hand, SYS_unlinkat, AT_FDCWD, name, dir ? AT_REMOVEDIR : 0);
	err = remote_run(hand);
	if (err < 0)
		return err;
	fd = (int)open_call->ret;
	return remote_take_fd(hand, fd);
}

/* Under its old name; under a spare one; and so on in the directories above. */
static int create(struct remote *hand, const GhostEntry *e, const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	int fd = dir ? create_at(hand, e, path) : -ENOMEM;

	while (fd == -EEXIST || fd == -ENOENT || fd == -ENOTDIR) {
		_cleanup_free_ char *spare = NULL;
		char *slash = strrchr(dir, '/');

		if (!slash)
			break;
		*slash = 0;
		spare = xasprintf("%s/.ctcr-ghost-%u", dir, e->id);
		fd = spare ? create_at(hand, e, spare) : -ENOMEM;
	}
	return fd;
}

int ghost_open(struct restore *r, struct remote *hand, uint32_t id, const char *path, int flags)
{
	const GhostEntry *e = ghost_entry(r, id);
	int kept = file_kept(r, keep_key(KEEP_GHOST, id));

	if (!e)
		return -EBADMSG;
	if (kept < 0) {
		_cleanup_close_ int fd = create(hand, e, path);
		int err = fd < 0 ? fd : load_contents(r, e, fd);

		if (err < 0)
			return err;
		/* Kept without write access, which would forbid executing it. */
		kept = fd_reopen(fd, O_PATH);
		if (kept < 0)
			return kept;
		kept = fd_high(kept);
		err = file_keep(r, keep_key(KEEP_GHOST, id), kept);
		if (err < 0)
			return err;
	}
	return fd_reopen(kept, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC | O_NOFOLLOW));
}
