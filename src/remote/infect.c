/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Infection: the thread is stopped by ptrace, gets a signal frame that leads home, and from then on
 * every system call made for it returns into that frame if nobody stops it first.
 *
 * Order matters, for a kill of ours at any moment: frame first, registers second, signal mask last;
 * on the way out arena and descriptors first, then extended state, mask, and the registers last.
 */
#include "remote/infect.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"

#define RSEQ_CS_OFFSET 8 /* of struct rseq */
#define ARENA_NAME "/memfd:ctcr (deleted)"
#define WALK_STOPS 64 /* it makes three system calls, twice as many stops, and may stop for job control */

int infect_seize(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP) < 0 &&
	    ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) < 0)
		return -errno;
	return RET_NERRNO(ptrace(PTRACE_INTERRUPT, tid, 0, 0)) < 0 ? -errno : 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* A stop that is not the one asked for: let it pass, with its signal. */
static int pass_stop(pid_t tid, int status)
{
	int sig = WSTOPSIG(status);

	if (status >> 16 || sig == (SIGTRAP | 0x80))
		sig = 0;
	return ptrace(PTRACE_CONT, tid, 0, sig) < 0 ? -errno : 0;
}

int infect_wait(pid_t tid, int timeout_ms, int *ret_status)
{
	int64_t end = now_ms() + timeout_ms;
	struct timespec nap = { 0, 20000 };

	for (;;) {
		int status, ret;
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			if (now_ms() > end)
				return -ETIMEDOUT;
			nanosleep(&nap, NULL);
			if (nap.tv_nsec < 1000000)
				nap.tv_nsec *= 2;
			continue;
		}
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (status >> 16 == PTRACE_EVENT_STOP) {
			*ret_status = status;
			return 0;
		}
		ret = pass_stop(tid, status);
		if (ret < 0)
			return ret;
	}
}

/*
 * A thread stopped inside a restartable sequence begins again at its abort handler: the kernel forgets
 * the sequence once it sees other registers than the sequence's (kernel/rseq.c).
 */
static void leave_rseq(struct infection *inf)
{
	struct {
		uint64_t addr;
		uint32_t size, sig, flags, pad;
	} conf;
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort;
	} cs;
	uint64_t at;

	if (ptrace(CTCR_PTRACE_GET_RSEQ, inf->tid, sizeof(conf), &conf) < 0 || !conf.addr)
		return;
	if (task_read(inf->tid, conf.addr + RSEQ_CS_OFFSET, &at, sizeof(at)) < 0 || !at ||
	    task_read(inf->tid, at, &cs, sizeof(cs)) < 0)
		return;
	if (inf->regs.rip - cs.start < cs.length)
		inf->home_regs.rip = inf->image_regs.rip = cs.abort;
}

/* Is @addr in an executor that a killed coordinator left? */
static bool in_executor(pid_t tid, uint64_t addr)
{
	_cleanup_free_ char *maps = NULL;
	char *p, *line;

	if (proc_read(tid, "maps", &maps) < 0)
		return false;
	for (p = maps; (line = next_line(&p));) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx r-x", &start, &end) == 2 && addr >= start && addr < end)
			return strstr(line, ARENA_NAME);
	}
	return false;
}

/*
 * A stopped task that was left in an executor by a coordinator that was killed has not gone home yet: let it
 * walk, up to the end of its rt_sigreturn(2). What it waits with for its stop is skipped.
 */
static int walk_home(pid_t tid)
{
	struct user_regs_struct r;
	bool last = false;
	int status;

	if (ptrace(PTRACE_GETREGS, tid, 0, &r) < 0)
		return -errno;
	if (!in_executor(tid, r.rip))
		return 0;
	for (int i = 0; i < WALK_STOPS; i++) {
		if (ptrace(PTRACE_SYSCALL, tid, 0, 0) < 0 || waitpid(tid, &status, __WALL) < 0)
			return -errno;
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (last)
			return 0;
		if (ptrace(PTRACE_GETREGS, tid, 0, &r) < 0)
			return -errno;
		last = r.orig_rax == SYS_rt_sigreturn;
		if (r.orig_rax != SYS_rt_sigtimedwait)
			continue;
		r.orig_rax = -1;
		if (ptrace(PTRACE_SETREGS, tid, 0, &r) < 0)
			return -errno;
	}
	return -EAGAIN;
}

int infect_read(pid_t tid, int status, struct infection **ret)
{
	struct infection *inf = calloc(1, sizeof(*inf));
	uint64_t features;
	struct iovec iov;

	if (!inf)
		return -ENOMEM;
	inf->tid = tid;
	inf->hand.ctl = -1;
	inf->stop_sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	inf->xstate_size = arch_xstate_size(&features);
	iov.iov_len = 16384;
	iov.iov_base = inf->xstate = calloc(1, iov.iov_len);
	if (inf->stop_sig) {
		int err = walk_home(tid);

		if (err < 0) {
			infect_free(inf);
			return err;
		}
	}
	if (!inf->xstate || ptrace(PTRACE_GETREGS, tid, 0, &inf->regs) < 0 ||
	    ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) < 0 ||
	    ptrace(PTRACE_GETSIGMASK, tid, sizeof(inf->sigmask), &inf->sigmask) < 0) {
		int err = inf->xstate ? -errno : -ENOMEM;

		infect_free(inf);
		return err;
	}
	inf->xstate_full = iov.iov_len;
	inf->xstate_size = MIN(inf->xstate_size, inf->xstate_full);
	arch_repair_syscall(inf);
	leave_rseq(inf);
	*ret = inf;
	return 0;
}

int infect_set_call(struct infection *inf, long nr, const uint64_t *args)
{
	struct user_regs_struct r = inf->home_regs;

	r.rip = inf->gadget;
	r.rsp = inf->home;
	r.rax = nr;
	r.orig_rax = -1;
	r.rdi = args[0], r.rsi = args[1], r.rdx = args[2];
	r.r10 = args[3], r.r8 = args[4], r.r9 = args[5];
	return ptrace(PTRACE_SETREGS, inf->tid, 0, &r) < 0 ? -errno : 0;
}

/* Wait for the next syscall-stop; an event stop on the way is passed. A SIGSTOP is sent again at the end. */
static int wait_step(struct infection *inf)
{
	int status;

	for (;;) {
		if (waitpid(inf->tid, &status, __WALL) < 0)
			return -errno;
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return 0;
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGSTOP)
			inf->stop_again = true;
		if (ptrace(PTRACE_SYSCALL, inf->tid, 0, 0) < 0)
			return -errno;
	}
}

static int go_on(struct infection *inf)
{
	return ptrace(PTRACE_SYSCALL, inf->tid, 0, 0) < 0 ? -errno : 0;
}

static int begin_step(struct step *s)
{
	int err = infect_set_call(s->inf, s->nr, s->args);

	return err < 0 ? err : go_on(s->inf);
}

static int enter_step(struct step *s)
{
	int err = wait_step(s->inf);

	return err < 0 ? err : go_on(s->inf);
}

static int leave_step(struct step *s)
{
	struct user_regs_struct r;
	int err = wait_step(s->inf);

	if (err < 0)
		return err;
	if (ptrace(PTRACE_GETREGS, s->inf->tid, 0, &r) < 0)
		return -errno;
	s->ret = (long)r.rax;
	return 0;
}

void infect_steps(struct step *s, size_t n)
{
	static int (*const parts[])(struct step *) = { begin_step, enter_step, leave_step };

	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		for (size_t i = 0; i < n; i++)
			if (s[i].err >= 0)
				s[i].err = parts[k](&s[i]);
}

int infect_syscall(struct infection *inf, long nr, const uint64_t *args, long *ret)
{
	struct step s = { .inf = inf, .nr = nr };

	memcpy(s.args, args, sizeof(s.args));
	infect_steps(&s, 1);
	if (s.err >= 0)
		*ret = s.ret;
	return s.err;
}

int infect_detach(struct infection *inf)
{
	int ret = RET_NERRNO(ptrace(PTRACE_DETACH, inf->tid, 0, 0)) < 0 ? -errno : 0;

	if (inf->stop_again || inf->hand.stopped)
		kill(inf->tid, SIGSTOP);

	infect_free(inf);
	return ret;
}

void infect_free(struct infection *inf)
{
	if (!inf)
		return;
	if (inf->local)
		munmap(inf->local, inf->arena_size);
	if (inf->hand.ctl >= 0)
		close(inf->hand.ctl);
	free(inf->covered_copy);
	free(inf->xstate);
	free(inf);
}
