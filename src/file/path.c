/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the name of a file still leads to it; opening a name by a hand. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "file/table.h"

#define DELETED " (deleted)"
/* openat2(2) refuses what it does not know. */
#define KNOWN_FLAGS                                                                                     \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_DIRECTORY | O_NOFOLLOW | O_PATH | \
	 O_CLOEXEC | O_NOCTTY | O_SYNC)

static bool same_file(int root, const char *path, const struct stat *want)
{
	struct stat st;

	while (*path == '/')
		path++;
	if (fstatat(root, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return st.st_dev == want->st_dev && st.st_ino == want->st_ino;
}

static bool has_mount(const struct task *t, int mnt_id)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;

	if (read_text_at(t->proc, "mountinfo", &text) < 0)
		return false;
	p = text;
	while ((line = next_line(&p)))
		if (atoi(line) == mnt_id)
			return true;
	return false;
}

/*
 * Whose mount namespace the mount of @f is in: often not that of its holder, who got the descriptor before
 * it entered one of its own. The first task of a namespace most likely has its root as root.
 */
static const struct task *task_of_mount(struct dump *d, const struct file_desc *f)
{
	const struct ns *own = f->task->ns[NS_MNT];
	const struct task *t = own && own->task ? own->task : f->task;
	size_t n = 0;

	for (size_t i = 0; i < d->n_ns; i++)
		n += d->ns[i]->kind == NS_MNT;
	if (n < 2 || f->mnt_id < 0 || has_mount(t, f->mnt_id))
		return t;
	for (size_t i = 0; i < d->n_ns; i++)
		if (d->ns[i]->kind == NS_MNT && d->ns[i]->task && has_mount(d->ns[i]->task, f->mnt_id))
			return d->ns[i]->task;
	return t;
}

int file_root_open(struct dump *d, const struct file_desc *f)
{
	return RET_NERRNO(openat(task_of_mount(d, f)->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int file_path_state(struct dump *d, const struct file_desc *f, enum path_state *ret, char **ret_path)
{
	_cleanup_close_ int root = file_root_open(d, f);
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

/* We may open what belongs to ids that its user namespace does not know. */
int outside_open(const struct remote *hand, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags, .resolve = RESOLVE_IN_ROOT };
	_cleanup_close_ int root = -1;
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/root", hand->pid);
	root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	return RET_NERRNO((int)syscall(SYS_openat2, root, path, &how, sizeof(how)));
}

int hand_open(struct remote *hand, const char *path, int flags)
{
	int how = (flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC)) | O_CLOEXEC | O_NOCTTY;
	long fd = remote_syscall(hand, SYS_openat, AT_FDCWD, remote_str(hand, path), how, 0);

	if (fd == -EACCES || fd == -EPERM) {
		int ours = outside_open(hand, path, how & KNOWN_FLAGS);

		return ours < 0 ? (int)fd : ours;
	}
	return fd < 0 ? (int)fd : remote_take_fd(hand, (int)fd);
}

struct rtask *maker_in_mnt(struct restore *r, uint32_t mnt_ns_id)
{
	return restore_task_in(r, NS_MNT, mnt_ns_id);
}
