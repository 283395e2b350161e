/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open POSIX message queues, mq_overview(7): the queue is there already, by its IPC namespace (ns/mqueue.c)
 * or, for host tasks, still. Refused: one without a name any more, and one of an IPC namespace that is not
 * its holder's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "file/kinds.h"
#include "file/table.h"
#include "ns/ns.h"

#define MQUEUE_MAGIC 0x19800202

static bool mqueue_match(const struct file_desc *f)
{
	struct statfs fs;
	char path[64];

	if (!S_ISREG(f->st.st_mode))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", f->task->pid, f->task_fd);
	if (f->fd >= 0 ? fstatfs(f->fd, &fs) : statfs(path, &fs))
		return false;
	return fs.f_type == MQUEUE_MAGIC;
}

static const char *queue_name(const struct file_desc *f)
{
	const char *slash = strrchr(f->link, '/');

	return slash ? slash + 1 : f->link;
}

/* Whether the name is that of this very queue in the holder's IPC namespace. */
static int check_name(const struct file_desc *f)
{
	const struct ns *ns = f->task->ns[NS_IPC];
	_cleanup_close_ int dir = ns_mqueue_fs(ns ? ns->fd : -1);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstatat(dir, queue_name(f), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	return st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino ? 0 : -EOPNOTSUPP;
}

static int mqueue_fd_survey(struct dump *d, const struct file_desc *f)
{
	if (check_name(f) != -EOPNOTSUPP)
		return 0;
	return dump_obstacle(d,
			     "%s: a message queue that was unlinked or is of another IPC namespace; close it",
			     file_desc_name(f));
}

static int mqueue_fd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	MqueueFdEntry *e = MSG_NEW(MqueueFdEntry, mqueue_fd_entry);
	const struct ns *ns = f->task->ns[NS_IPC];
	int err;

	if (!e)
		return log_oom();
	msg->mqueue = e;
	msg->kind_case = FILE_ENTRY__KIND_MQUEUE;
	e->ipc_ns_id = ns ? ns->id : 0;
	e->name = strdup(queue_name(f));
	if (!e->name)
		return log_oom();
	err = check_name(f);
	return err < 0 ? log_errno(err, "%s: message queue %s", file_desc_name(f), e->name) : 0;
}

static struct rtask *mqueue_fd_maker(struct restore *r, const FileEntry *msg)
{
	return restore_task_in(r, NS_IPC, msg->mqueue->ipc_ns_id);
}

static int mqueue_fd_deps(struct restore *r, const FileEntry *msg)
{
	const char *name = msg->mqueue->name;

	if (*name && !strchr(name, '/') && strlen(name) < 256)
		return 0;
	return log_errno(-EBADMSG, "%s: bad name of a message queue", file_entry_name(msg));
}

static int mqueue_fd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const MqueueFdEntry *e = msg->mqueue;
	long fd = remote_syscall(hand, SYS_mq_open, remote_str(hand, e->name), msg->flags & O_ACCMODE, 0, 0);

	if (fd >= 0)
		fd = remote_take_fd(hand, (int)fd);
	return fd < 0 ? log_errno((int)fd, "%s: message queue /%s", file_entry_name(msg), e->name) : (int)fd;
}

const struct file_ops mqueue_ops = {
	.name = "message queue",
	.kind = FILE_ENTRY__KIND_MQUEUE,
	.match = mqueue_match,
	.survey = mqueue_fd_survey,
	.dump = mqueue_fd_dump,
	.deps = mqueue_fd_deps,
	.maker = mqueue_fd_maker,
	.restore = mqueue_fd_restore,
};
