/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the name of a file still leads to it; opening a name by a hand. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/log.h"
#include "file/table.h"

#define DELETED " (deleted)"

static bool same_file(int root, const char *path, const struct stat *want)
{
	struct stat st;

	while (*path == '/')
		path++;
	if (fstatat(root, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return st.st_dev == want->st_dev && st.st_ino == want->st_ino;
}

int ns_root_open(const struct task *t)
{
	const struct ns *ns = t->ns[NS_MNT];
	const struct task *in = ns && ns->task ? ns->task : t;

	return RET_NERRNO(openat(in->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int file_path_state(struct dump *d, const struct file_desc *f, enum path_state *ret, char **ret_path)
{
	_cleanup_close_ int root = ns_root_open(f->task);
	size_t len = strlen(f->link), cut = strlen(DELETED);
	char *path = strdup(f->link);

	if (!path)
		return -ENOMEM;
	*ret_path = path;
	if (same_file(root, path, &f->st)) {
		*ret = PATH_OK;
		return 0;
	}
	if (len <= cut || !streq(path + len - cut, DELETED)) {
		*ret = PATH_HIDDEN;
		return 0;
	}
	path[len - cut] = 0;
	*ret = f->st.st_nlink && !S_ISDIR(f->st.st_mode) ? PATH_LINKED : PATH_DELETED;
	return 0;
}

int fd_reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return RET_NERRNO(open(path, flags | O_CLOEXEC | O_NOCTTY));
}

int hand_open(struct remote *hand, const char *path, int flags)
{
	long fd = remote_syscall(hand, SYS_openat, AT_FDCWD, remote_str(hand, path),
				 (flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC)) | O_CLOEXEC | O_NOCTTY, 0);

	return fd < 0 ? (int)fd : remote_take_fd(hand, (int)fd);
}

struct rtask *maker_in_mnt(struct restore *r, uint32_t mnt_ns_id)
{
	return restore_task_in(r, NS_MNT, mnt_ns_id);
}
