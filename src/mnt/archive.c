/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "base/log.h"
#include "mnt/child.h"

#define ONE_FILE "file" /* the name of the only member when the root is no directory */

struct job {
	int root, fd;
	const char *what, *place;
	bool is_dir;
	struct archive *from, *to;
};

static int failed(struct archive *a, const struct job *j, const char *name)
{
	int err = archive_errno(a);

	log_error("%s: %s: %s", j->what, name, archive_error_string(a));
	return err > 0 && err < 256 ? -err : -EIO;
}

static void archive_freep(struct archive **a)
{
	archive_free(*a);
}

static int write_zeros(struct job *j, uint64_t n)
{
	static const char zeros[65536];

	while (n) {
		la_ssize_t w = archive_write_data(j->to, zeros, MIN(n, sizeof(zeros)));

		if (w <= 0)
			return -EIO;
		n -= w;
	}
	return 0;
}

/* The archive has holes in its header; the writer wants the bytes of the whole file. */
static int pack_data(struct job *j, struct archive_entry *e)
{
	uint64_t pos = 0, size = archive_entry_size(e);
	const void *buf;
	size_t len;
	la_int64_t off;
	int ret;

	while ((ret = archive_read_data_block(j->from, &buf, &len, &off)) == ARCHIVE_OK) {
		if ((uint64_t)off > pos && write_zeros(j, off - pos) < 0)
			return failed(j->to, j, archive_entry_pathname(e));
		if (len && archive_write_data(j->to, buf, len) < 0)
			return failed(j->to, j, archive_entry_pathname(e));
		pos = off + len;
	}
	if (ret != ARCHIVE_EOF)
		return failed(j->from, j, archive_entry_pathname(e));
	if (pos < size && write_zeros(j, size - pos) < 0)
		return failed(j->to, j, archive_entry_pathname(e));
	return 0;
}

static int pack_entry(struct job *j, struct archive_entry *e)
{
	if (archive_write_header(j->to, e) < ARCHIVE_WARN)
		return failed(j->to, j, archive_entry_pathname(e));
	if (archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e) && archive_entry_size(e) > 0)
		return pack_data(j, e);
	return 0;
}

static int pack_dir(struct job *j)
{
	struct archive_entry_linkresolver *links = archive_entry_linkresolver_new();
	struct archive_entry *e = archive_entry_new(), *spare;
	int err = 0, ret;

	archive_entry_linkresolver_set_strategy(links, archive_format(j->to));
	if (archive_read_disk_open(j->from, ".") != ARCHIVE_OK)
		err = failed(j->from, j, ".");
	while (err >= 0 && (ret = archive_read_next_header2(j->from, e)) != ARCHIVE_EOF) {
		if (ret < ARCHIVE_WARN) {
			err = failed(j->from, j, "reading a directory");
			break;
		}
		archive_read_disk_descend(j->from);
		if (archive_entry_filetype(e) == AE_IFSOCK)
			continue;
		spare = NULL;
		archive_entry_linkify(links, &e, &spare);
		err = pack_entry(j, e);
		archive_entry_free(spare);
		archive_entry_clear(e);
	}
	archive_entry_free(e);
	archive_entry_linkresolver_free(links);
	return err;
}

static int pack_file(struct job *j, const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();
	char path[32], buf[65536];
	int fd = -1, err = 0;
	ssize_t n = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", j->root);
	if (S_ISREG(st->st_mode))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	archive_entry_copy_sourcepath(e, path);
	archive_entry_copy_pathname(e, ONE_FILE);
	if (archive_read_disk_entry_from_file(j->from, e, fd, st) < ARCHIVE_WARN)
		err = failed(j->from, j, ONE_FILE);
	archive_entry_sparse_clear(e);
	if (err >= 0 && archive_write_header(j->to, e) < ARCHIVE_WARN)
		err = failed(j->to, j, ONE_FILE);
	while (err >= 0 && fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		if (archive_write_data(j->to, buf, n) < 0)
			err = failed(j->to, j, ONE_FILE);
	if (n < 0)
		err = log_errno(errno, "%s", j->what);
	cleanup_close(&fd);
	archive_entry_free(e);
	return err;
}

static int pack_child(void *data)
{
	_cleanup_(archive_freep) struct archive *from = archive_read_disk_new(), *to = archive_write_new();
	struct job *j = data;
	struct stat st;
	int err;

	if (!from || !to || fstat(j->root, &st) < 0)
		return log_errno(errno, "%s", j->what);
	j->from = from;
	j->to = to;
	archive_read_disk_set_symlink_physical(from);
	archive_read_disk_set_behavior(from, ARCHIVE_READDISK_RESTORE_ATIME);
	archive_write_set_format_pax(to);
	archive_write_set_options(to, "hdrcharset=BINARY");
	if (archive_write_open_fd(to, j->fd) != ARCHIVE_OK)
		return failed(to, j, "archive");
	if (S_ISDIR(st.st_mode) && fchdir(j->root) < 0)
		return log_errno(errno, "%s", j->what);
	err = S_ISDIR(st.st_mode) ? pack_dir(j) : pack_file(j, &st);
	if (archive_write_close(to) != ARCHIVE_OK && err >= 0)
		err = failed(to, j, "archive");
	return err;
}

int archive_pack(int root, int out, const char *what)
{
	struct job j = { .root = root, .fd = out, .what = what };

	return child_run(pack_child, &j);
}

/*
 * Inside a user namespace's file system files can only be made by ids it knows: those of its root
 * directory's owner. Capabilities stay.
 */
static int take_ids(int root)
{
	struct stat st;
	cap_t caps;

	if (fstat(root, &st) < 0)
		return -errno;
	caps = cap_get_proc();
	if (!caps)
		return -errno;
	setfsgid(st.st_gid);
	setfsuid(st.st_uid);
	cap_set_proc(caps);
	cap_free(caps);
	return 0;
}

/* libarchive leaves the times of the directory it stands in as they become. */
static void note_root(struct archive_entry *e, const char *name, struct timespec *times)
{
	if (!streq(name, ".") && !streq(name, "./"))
		return;
	times[0] = (struct timespec){ archive_entry_atime(e), archive_entry_atime_nsec(e) };
	times[1] = (struct timespec){ archive_entry_mtime(e), archive_entry_mtime_nsec(e) };
}

static int unpack_all(struct job *j)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };
	struct archive_entry *e;
	int ret;

	while ((ret = archive_read_next_header(j->from, &e)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(e);

		if (!name)
			return log_errno(-EBADMSG, "%s: a member without a name", j->what);
		if (!j->is_dir)
			archive_entry_set_pathname(e, j->place + 1);
		note_root(e, name, times);
		if (archive_read_extract2(j->from, e, j->to) != ARCHIVE_OK)
			return failed(j->from, j, name);
	}
	if (ret != ARCHIVE_EOF)
		return failed(j->from, j, "archive");
	if (archive_write_close(j->to) != ARCHIVE_OK)
		return failed(j->to, j, "archive");
	if (utimensat(AT_FDCWD, ".", times, 0) < 0)
		return log_errno(errno, "%s: times", j->what);
	return 0;
}

/* Make the directories of @place (all, or all but the last) and stand in the last made. */
static int make_place(const struct job *j)
{
	_cleanup_free_ char *copy = strdup(j->place + 1);
	char *rest = copy, *w;

	if (!copy)
		return -ENOMEM;
	while (*copy && (w = strsep(&rest, "/"))) {
		if (!rest && !j->is_dir)
			break;
		if (mkdir(w, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (chdir(w) < 0)
			return -errno;
	}
	return j->is_dir ? 0 : RET_NERRNO(chdir("/"));
}

static int unpack_child(void *data)
{
	_cleanup_(archive_freep) struct archive *from = archive_read_new(), *to = archive_write_disk_new();
	struct job *j = data;
	int err;

	if (!from || !to)
		return log_oom();
	j->from = from;
	j->to = to;
	archive_read_support_format_tar(from);
	archive_read_set_options(from, "hdrcharset=BINARY");
	archive_write_disk_set_options(to, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
						   ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
						   ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_FFLAGS |
						   ARCHIVE_EXTRACT_SECURE_NODOTDOT);
	if (archive_read_open_fd(from, j->fd, 1 << 20) != ARCHIVE_OK)
		return failed(from, j, "archive");
	umask(0);
	if (fchdir(j->root) < 0 || chroot(".") < 0)
		return log_errno(errno, "%s: entering it", j->what);
	err = take_ids(j->root);
	if (err >= 0)
		err = make_place(j);
	return err < 0 ? log_errno(err, "%s", j->what) : unpack_all(j);
}

int archive_unpack(int root, const char *place, bool is_dir, int in, const char *what)
{
	struct job j = { .root = root, .fd = in, .what = what, .place = place, .is_dir = is_dir };

	return child_run(unpack_child, &j);
}
