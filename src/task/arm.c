/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last steps: every thread is seized (and dies with us from then on), filters are installed,
 * threads are stopped, the arena is unmapped by a system call instruction of the task's own vdso, and
 * ptrace sets registers, extended state and signal mask. Detaching lets them run.
 */
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/mem.h"
#include "remote/infect.h"
#include "task/kinds.h"
#include "task/store.h"
#include "task/task.h"

#define SEIZE_OPTIONS (PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)

int tree_seize(struct restore *r)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		struct rtask *t = &r->tasks[i];

		for (size_t k = 0; t->hand && k < t->n_threads; k++) {
			pid_t tid = t->threads[k].tid;

			if (ptrace(PTRACE_SEIZE, tid, 0, SEIZE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP) >= 0)
				continue;
			if (ptrace(PTRACE_SEIZE, tid, 0, SEIZE_OPTIONS) < 0)
				return log_errno(-errno, "pid %d thread %d: PTRACE_SEIZE", t->msg->pid, tid);
		}
	}
	return 0;
}

static int stop_thread(struct rthread *th)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, th->tid, 0, 0) < 0)
		return -errno;
	return infect_wait(th->tid, 10000, &status);
}

/* The arena and the control descriptors go, once per address space and per descriptor table. */
static int drop_arena(struct restore *r, struct rtask *t)
{
	struct infection inf = { .tid = t->pid, .gadget = mem_syscall_gadget(r, t) };
	const uint64_t close_args[6] = { (uint64_t)r->tree->ctl_base, ~0U, 0 };
	const uint64_t unmap_args[6] = { r->arena, r->arena_size };
	long a, b;
	int ret;

	if (!inf.gadget)
		return -EOPNOTSUPP;
	if (ptrace(PTRACE_GETREGS, t->pid, 0, &inf.home_regs) < 0)
		return -errno;
	inf.home = r->arena;
	ret = infect_syscall(&inf, SYS_close_range, close_args, &a);
	if (ret >= 0)
		ret = infect_syscall(&inf, SYS_munmap, unmap_args, &b);
	return ret < 0 ? ret : a < 0 ? (int)a : b < 0 ? (int)b : 0;
}

static int set_xstate(pid_t tid, const ProtobufCBinaryData *x)
{
	_cleanup_free_ uint8_t *buf = calloc(1, 16384);
	struct iovec iov = { buf, 16384 };

	if (!buf)
		return -ENOMEM;
	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) < 0)
		return -errno;
	if (x->len > iov.iov_len)
		return -EOPNOTSUPP;
	memset(buf, 0, iov.iov_len);
	memcpy(buf, x->data, x->len);
	return ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &iov) < 0 ? -errno : 0;
}

static int set_registers(const struct rthread *th)
{
	struct user_regs_struct regs;
	uint64_t mask = th->msg->sigmask;
	int ret = set_xstate(th->tid, &th->msg->xstate);

	if (ret < 0)
		return ret;
	memcpy(&regs, th->msg->gpregs.data, sizeof(regs));
	regs.orig_rax = -1;
	if (ptrace(PTRACE_SETREGS, th->tid, 0, &regs) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, th->tid, sizeof(mask), &mask) < 0)
		return -errno;
	return 0;
}

static int arm_task(struct restore *r, struct rtask *t)
{
	int ret = 0;

	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
		ret = seccomp_restore(r, &t->threads[k]);
	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
		ret = creds_after_seccomp(&t->threads[k]);
	if (ret < 0)
		return log_errno(ret, "pid %d: seccomp filters", t->msg->pid);
	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
		ret = stop_thread(&t->threads[k]);
	if (ret >= 0)
		ret = drop_arena(r, t);
	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
		ret = set_registers(&t->threads[k]);
	return ret < 0 ? log_errno(ret, "pid %d: last registers", t->msg->pid) : 0;
}

int tree_arm(struct restore *r)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++)
		if (r->tasks[i].hand)
			ret = arm_task(r, &r->tasks[i]);
	return ret;
}

void tree_survive(struct restore *r)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct rtask *t = &r->tasks[i];

		if (t->hand && t->msg->state == 1)
			sys_pidfd_send_signal(t->pidfd, t->msg->stop_signal ? t->msg->stop_signal : SIGSTOP);
	}
	/* the root is the last: until then its death takes its pid namespace along, never half a tree */
	for (size_t i = r->n_tasks; i-- > 0;)
		for (size_t k = r->tasks[i].hand ? r->tasks[i].n_threads : 0; k-- > 0;)
			ptrace(PTRACE_SETOPTIONS, r->tasks[i].threads[k].tid, 0, 0);
}

int tree_resume(struct restore *r)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		struct rtask *t = &r->tasks[i];

		if (!t->hand)
			continue;
		for (size_t k = 0; k < t->n_threads; k++)
			if (ptrace(PTRACE_DETACH, t->threads[k].tid, 0, 0) < 0)
				log_errno(-errno, "pid %d thread %d: detach", t->msg->pid, t->threads[k].tid);
	}
	return 0;
}
