/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PID namespaces, pid_namespaces(7): the last pid given out, so that pids go on where they were, and
 * the limit. Both sysctls answer for the namespace of the caller whatever proc is mounted, so a hand
 * reads and writes them below our /proc. Pids themselves are the tree's (clone3 with set_tid).
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "ns/kinds.h"
#include "ns/ns.h"

#define LAST_PID "sys/kernel/ns_last_pid"
#define PID_MAX "sys/kernel/pid_max"

/* The number in the file @name below the hand's descriptor @proc. */
static int hand_read_u32(struct remote *h, int proc, const char *name, uint32_t *ret)
{
	struct remote_call *c =
		remote_call(h, SYS_openat, proc, remote_str(h, name), O_RDONLY | O_CLOEXEC, 0);
	char *buf = remote_alloc(h, 32);
	struct remote_call *n = remote_try(h, SYS_read, 0, remote_addr(h, buf), 31);
	int err;

	remote_ref(h, n, 0, c);
	remote_ref(h, remote_call(h, SYS_close, 0), 0, c);
	err = remote_run(h);
	if (err < 0)
		return err;
	if (n->ret <= 0)
		return n->ret < 0 ? (int)n->ret : -EINVAL;
	buf[n->ret] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return parse_u32(buf, 10, ret);
}

static int hand_write_u32(struct remote *h, int proc, const char *name, uint32_t value)
{
	struct remote_call *c =
		remote_call(h, SYS_openat, proc, remote_str(h, name), O_WRONLY | O_CLOEXEC, 0);
	char text[16];
	struct remote_call *n;
	int err;

	snprintf(text, sizeof(text), "%u", value);
	n = remote_try(h, SYS_write, 0, remote_str(h, text), strlen(text));
	remote_ref(h, n, 0, c);
	remote_ref(h, remote_call(h, SYS_close, 0), 0, c);
	err = remote_run(h);
	return err < 0 ? err : n->ret < 0 ? (int)n->ret : 0;
}

static int give_proc(struct remote *h, int *ret)
{
	_cleanup_close_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : remote_give_fds(h, &fd, 1, ret);
}

static int pid_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	struct task *t = ns_any_task(d, ns);
	PidNsEntry *e = malloc(sizeof(*e));
	int proc, err;

	if (!e)
		return log_oom();
	pid_ns_entry__init(e);
	msg->pid = e;
	if (!t)
		return log_errno(-ESRCH, "pid namespace of pid %d: no live task in it", ns->task->pid);
	/*
	 * Its own /proc in one batch, which completes even if we die; a descriptor of ours that we gave it
	 * would stay in the task then.
	 */
	if (!hand_read_u32(t->hand, AT_FDCWD, "/proc/" LAST_PID, &e->last_pid)) {
		e->has_pid_max = !hand_read_u32(t->hand, AT_FDCWD, "/proc/" PID_MAX, &e->pid_max);
		return 0;
	}
	err = give_proc(t->hand, &proc);
	if (err < 0)
		return log_errno(err, "pid %d: /proc", t->pid);
	err = hand_read_u32(t->hand, proc, LAST_PID, &e->last_pid);
	if (!err && !hand_read_u32(t->hand, proc, PID_MAX, &e->pid_max))
		e->has_pid_max = true;
	(void)remote_syscall(t->hand, SYS_close, proc);
	return err < 0 ? log_errno(err, "pid %d: " LAST_PID, t->pid) : 0;
}

static int pid_check(const struct restore *r, const NsEntry *msg)
{
	if (!msg->pid || msg->pid->last_pid > 1 << 22 ||
	    (msg->pid->has_pid_max && msg->pid->pid_max > 1 << 22))
		return -EBADMSG;
	return 0;
}

static int pid_restore(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	const PidNsEntry *e = msg->pid;
	uint32_t now;
	int proc, err = give_proc(t->hand, &proc);

	if (err < 0)
		return log_errno(err, "pid %d: /proc", t->pid);
	if (e->has_pid_max && !hand_read_u32(t->hand, proc, PID_MAX, &now) && now != e->pid_max) {
		err = hand_write_u32(t->hand, proc, PID_MAX, e->pid_max);
		if (err < 0)
			log_warn("pid namespace %u: pid_max stays %u, it was %u", msg->id, now, e->pid_max);
	}
	err = hand_write_u32(t->hand, proc, LAST_PID, e->last_pid);
	(void)remote_syscall(t->hand, SYS_close, proc);
	return err < 0 ? log_errno(err, "pid namespace %u: " LAST_PID, msg->id) : 0;
}

int ns_set_last_pid(struct remote *hand, uint32_t value, uint32_t *ret_old)
{
	int proc, err = give_proc(hand, &proc);

	if (err < 0)
		return err;
	err = hand_read_u32(hand, proc, LAST_PID, ret_old);
	if (err >= 0)
		err = hand_write_u32(hand, proc, LAST_PID, value);
	(void)remote_syscall(hand, SYS_close, proc);
	return err;
}

const struct ns_ops ns_pid_ops = { .dump = pid_dump, .check = pid_check, .restore = pid_restore };
