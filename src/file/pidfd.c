/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pidfd_open(2): fdinfo shows the process, -1 once it was reaped. A reaped one is made again of a child that
 * has ended. Not restored: pidfds of processes outside, of single threads, exit status kept by pidfs.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/syscalls.h"
#include "file/kinds.h"
#include "file/table.h"

static bool pidfd_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:[pidfd]") || startswith(f->link, "pidfd:[");
}

#define OUTSIDE "is of process %d outside the container or of a single thread; close it"

static int pidfd_survey(struct dump *d, const struct file_desc *f)
{
	const char *p = key_value(f->fdinfo, "Pid");
	int pid = p ? atoi(p) : 0;

	return pid == -1 || dump_find_task(d, pid) ? 0
						   : dump_obstacle(d, "%s: " OUTSIDE, file_desc_name(f), pid);
}

static int pidfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	PidfdEntry *e = MSG_NEW(PidfdEntry, pidfd_entry);
	const char *p = key_value(f->fdinfo, "Pid");
	int pid = p ? atoi(p) : 0;

	if (!e)
		return log_oom();
	msg->pidfd = e;
	msg->kind_case = FILE_ENTRY__KIND_PIDFD;
	e->pid = -1;
	if (pid == -1)
		return 0;
	if (pid <= 0 || !dump_find_task(d, pid) || pid_to_ns(d, pid, &e->pid) < 0) {
		log_error("%s: " OUTSIDE, file_desc_name(f), pid);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A pidfd whose process is gone. */
static int open_dead(void)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(0);
	fd = RET_NERRNO(sys_pidfd_open(pid, 0));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int pidfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const PidfdEntry *e = msg->pidfd;
	const struct rtask *t = e->pid > 0 ? restore_find_pid(r, e->pid) : NULL;
	int fd;

	if (e->pid > 0 && (!t || !t->pid)) {
		log_error("%s: process %d is not in the image", file_entry_name(msg), e->pid);
		return -EBADMSG;
	}
	fd = t ? RET_NERRNO(sys_pidfd_open(t->pid, msg->flags & O_EXCL)) : open_dead();
	return fd < 0 ? log_errno(fd, "%s: pidfd_open", file_entry_name(msg)) : fd;
}

const struct file_ops pidfd_ops = {
	.name = "pidfd",
	.kind = FILE_ENTRY__KIND_PIDFD,
	.match = pidfd_match,
	.survey = pidfd_survey,
	.dump = pidfd_dump,
	.restore = pidfd_restore,
};
