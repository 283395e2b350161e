/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memfd_create(2): name, size, data (holes stay), mode, seals. Seals are added at the end, when everything
 * that they forbid has been done (writing, writable mappings). Found by the device number of the kernel's
 * own tmpfs, which no mounted file system has.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "file/kinds.h"
#include "file/table.h"
#include "image/image.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#define MEMFD_SALT 0x6d656d6664ull
#define PREFIX "/memfd:"
#define SUFFIX " (deleted)"

static bool memfd_match(const struct file_desc *f)
{
	size_t len = strlen(f->link);

	return startswith(f->link, PREFIX) && S_ISREG(f->st.st_mode) && !f->st.st_nlink &&
	       len >= strlen(PREFIX SUFFIX) && streq(f->link + len - strlen(SUFFIX), SUFFIX) &&
	       !strchr(f->link + 1, '/');
}

/* Page size as log2 of a memfd of huge pages, else 0. */
static uint32_t huge_shift(const struct file_desc *f)
{
	return f->st.st_blksize > 4096 ? (uint32_t)__builtin_ctzl(f->st.st_blksize) : 0;
}

static int find_data(const struct file_desc *f, MemfdEntry *e)
{
	if (!e->hugetlb)
		return data_extents(f->fd, e->size, &e->extents, &e->n_extents);
	e->extents = calloc(2, sizeof(*e->extents));
	if (!e->extents)
		return -ENOMEM;
	e->extents[1] = e->size;
	e->n_extents = 2;
	return 0;
}

static int save_contents(struct dump *d, const struct file_desc *f, MemfdEntry *e)
{
	_cleanup_close_ int fd = fd_reopen(f->fd, O_RDONLY);
	char name[32];
	int err = fd < 0 ? fd : find_data(f, e);

	if (err < 0 || !e->n_extents || !e->size)
		return err;
	snprintf(name, sizeof(name), "memfd-%u.img", e->memfd_id);
	return data_save(d, fd, e->extents, e->n_extents, name);
}

static int memfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	MemfdEntry *e = MSG_NEW(MemfdEntry, memfd_entry);
	int seals = fcntl(f->fd, F_GET_SEALS), err;
	bool first;

	if (!e)
		return log_oom();
	msg->memfd = e;
	msg->kind_case = FILE_ENTRY__KIND_MEMFD;
	e->name = strndup(f->link + strlen(PREFIX), strlen(f->link) - strlen(PREFIX SUFFIX));
	if (!e->name)
		return log_oom();
	e->seals = seals < 0 ? F_SEAL_SEAL : seals;
	e->size = f->st.st_size;
	e->mode = f->st.st_mode;
	e->hugetlb = huge_shift(f);
	e->has_hugetlb = e->hugetlb != 0;
	err = file_owner(d, f, &e->uid, &e->gid);
	if (err >= 0)
		err = file_shared_id(d, f, MEMFD_SALT, &e->memfd_id, &first);
	if (err >= 0 && first)
		err = save_contents(d, f, e);
	if (err < 0)
		return log_errno(err, "%s: contents", file_desc_name(f));
	return 0;
}

static int memfd_deps(struct restore *r, const FileEntry *msg)
{
	const MemfdEntry *e = msg->memfd;

	if (data_check(e->extents, e->n_extents, e->size) < 0 || e->hugetlb > 40) {
		log_error("%s: bad extents; the image is damaged", file_entry_name(msg));
		return -EBADMSG;
	}
	return 0;
}

static int create(const MemfdEntry *e)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	if (e->hugetlb)
		flags |= MFD_HUGETLB | e->hugetlb << MFD_HUGE_SHIFT;
	fd = memfd_create(e->name, flags | (e->mode & 0111 ? MFD_EXEC : 0));
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(e->name, flags);
	return fd < 0 ? -errno : fd;
}

/* The entry with the contents comes first in the image: it is the first to ask. */
static const MemfdEntry *with_contents(struct restore *r, uint32_t memfd_id)
{
	const MemfdEntry *first = NULL;

	for (uint32_t i = 1; i <= r->files->n; i++) {
		const FileEntry *o = files_entry(r, i);

		if (o->kind_case != FILE_ENTRY__KIND_MEMFD || o->memfd->memfd_id != memfd_id)
			continue;
		if (!first || o->memfd->n_extents)
			first = o->memfd;
	}
	return first;
}

static int make(struct restore *r, const MemfdEntry *e)
{
	_cleanup_close_ int fd = create(e);
	char name[32];
	int err;

	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "memfd-%u.img", e->memfd_id);
	err = ftruncate(fd, (off_t)e->size) < 0 ? -errno : 0;
	if (err >= 0 && e->size)
		err = data_load(r, fd, e->extents, e->n_extents, name);
	if (err >= 0)
		err = file_chown(r, fd, e->uid, e->gid);
	if (err >= 0 && fchmod(fd, e->mode & 07777) < 0)
		err = -errno;
	return err < 0 ? err : take_fd(&fd);
}

static int memfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const MemfdEntry *e = with_contents(r, msg->memfd->memfd_id);
	int kept = file_kept(r, keep_key(KEEP_MEMFD, e->memfd_id)), fd, err;

	if (kept < 0) {
		_cleanup_close_ int made = make(r, e);

		/* Kept without write access, which would forbid executing it. */
		kept = made < 0 ? made : fd_reopen(made, O_PATH);
		if (kept < 0)
			return log_errno(kept, "%s: making it", file_entry_name(msg));
		kept = fd_high(kept);
		err = file_keep(r, keep_key(KEEP_MEMFD, e->memfd_id), kept);
		if (err < 0)
			return err;
	}
	fd = fd_reopen(kept, (int)(msg->flags & O_ACCMODE));
	return fd < 0 ? log_errno(fd, "%s: opening it again", file_entry_name(msg)) : fd;
}

static int memfd_finish(struct restore *r, const FileEntry *msg, int fd)
{
	_cleanup_close_ int kept = file_unkeep(r, keep_key(KEEP_MEMFD, msg->memfd->memfd_id));
	_cleanup_close_ int writable = -1;

	if (kept < 0 || !msg->memfd->seals)
		return 0; /* another description of it was first, or nothing to do */
	writable = fd_reopen(kept, O_RDWR);
	if (writable < 0 || fcntl(writable, F_ADD_SEALS, msg->memfd->seals) < 0)
		return log_errno(errno, "%s: seals 0x%x", file_entry_name(msg), msg->memfd->seals);
	return 0;
}

const struct file_ops memfd_ops = {
	.name = "memfd",
	.kind = FILE_ENTRY__KIND_MEMFD,
	.match = memfd_match,
	.dump = memfd_dump,
	.deps = memfd_deps,
	.restore = memfd_restore,
	.finish = memfd_finish,
};
