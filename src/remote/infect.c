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
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/procfs.h"
#include "base/syscalls.h"

#define RSEQ_CS_OFFSET 8 /* of struct rseq */
#define SEARCH_WINDOW (4 << 20)
#define SEARCH_OVERLAP 64

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

/* Look for the gadgets in one executable mapping, a line of /proc/PID/maps. */
static int search_mapping(struct infection *inf, uint64_t start, uint64_t end)
{
	size_t window = MIN(end - start, (uint64_t)SEARCH_WINDOW);
	_cleanup_free_ uint8_t *text = malloc(window);

	if (!text)
		return -ENOMEM;
	for (uint64_t at = start; at < end && !(inf->gadget && inf->restorer);
	     at += window - SEARCH_OVERLAP) {
		size_t len = MIN(end - at, (uint64_t)window);

		if (task_read(inf->tid, at, text, len) == 0)
			arch_find_gadgets(inf, at, text, len);
		if (at + len == end)
			break;
	}
	return 0;
}

int infect_find_gadgets(struct infection *inf)
{
	_cleanup_free_ char *maps = NULL;
	char *save = NULL;
	int ret = proc_read(inf->tid, "maps", &maps);

	if (ret < 0)
		return ret;
	for (char *l = strtok_r(maps, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		unsigned long start, end;
		char prot[5];

		if (inf->gadget && inf->restorer)
			break;
		if (sscanf(l, "%lx-%lx %4s", &start, &end, prot) != 3 || prot[0] != 'r' || prot[2] != 'x')
			continue;
		if (strstr(l, "[vsyscall]"))
			continue;
		ret = search_mapping(inf, start, end);
		if (ret < 0)
			return ret;
	}
	return inf->gadget ? 0 : -EOPNOTSUPP;
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
static int step(struct infection *inf)
{
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, inf->tid, 0, 0) < 0)
			return -errno;
		if (waitpid(inf->tid, &status, __WALL) < 0)
			return -errno;
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return 0;
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGSTOP)
			inf->stop_again = true;
	}
}

int infect_syscall(struct infection *inf, long nr, const uint64_t *args, long *ret)
{
	struct user_regs_struct r;
	int err = infect_set_call(inf, nr, args);

	if (err >= 0)
		err = step(inf);
	if (err >= 0)
		err = step(inf);
	if (err < 0)
		return err;
	if (ptrace(PTRACE_GETREGS, inf->tid, 0, &r) < 0)
		return -errno;
	*ret = (long)r.rax;
	return 0;
}

static long call(struct infection *inf, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t args[6] = { a, b, c, d, (uint64_t)-1, 0 };
	long ret;
	int err = infect_syscall(inf, nr, args, &ret);

	return err < 0 ? err : ret;
}

/* mmap in the task of its descriptor @fd. */
static int map_part(struct infection *inf, int fd, uint64_t addr, uint64_t len, uint64_t off)
{
	bool text = off == 0;
	const uint64_t args[6] = {
		addr, len, text ? PROT_READ | PROT_EXEC : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		fd,   off
	};
	long ret;
	int err = infect_syscall(inf, SYS_mmap, args, &ret);

	return err < 0 ? err : ret < 0 && ret > -4096 ? (int)ret : 0;
}

/* The memfd of the arena, made in the task, taken by us; the task's number in *@there. */
static int arena_memfd(struct infection *inf, int pidfd, int *there)
{
	char name[] = "ctcr";
	uint64_t at = inf->home - 64;
	long fd;
	int ret = task_write(inf->tid, at, name, sizeof(name)), mine;

	if (ret < 0)
		return ret;
	fd = call(inf, SYS_memfd_create, at, MFD_CLOEXEC, 0, 0);
	if (fd < 0)
		return (int)fd;
	*there = (int)fd;
	mine = sys_pidfd_getfd(pidfd, (int)fd);
	return mine < 0 ? -errno : fd_high(mine);
}

static int arena_map(struct infection *inf, int memfd, int there)
{
	const uint64_t args[6] = {
		0, inf->arena_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0
	};
	long addr;
	int ret;

	if (ftruncate(memfd, (off_t)inf->arena_size) < 0)
		return -errno;
	ret = pwrite_all(memfd, executor_blob, executor_blob_end - executor_blob, 0);
	if (ret < 0)
		return ret;
	inf->local = mmap(NULL, inf->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (inf->local == MAP_FAILED) {
		inf->local = NULL;
		return -errno;
	}
	ret = infect_syscall(inf, SYS_mmap, args, &addr);
	if (ret < 0)
		return ret;
	if (addr < 0 && addr > -4096)
		return (int)addr;
	inf->arena = (uint64_t)addr;
	ret = map_part(inf, there, inf->arena, EXECUTOR_TEXT, 0);
	return ret < 0 ? ret
		       : map_part(inf, there, inf->arena + EXECUTOR_TEXT, inf->arena_size - EXECUTOR_TEXT,
				  EXECUTOR_TEXT);
}

static int arena_socket(struct infection *inf, int pidfd, int *there)
{
	uint64_t at = inf->home - 64;
	int sv[2], ret;
	long r = call(inf, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, at);

	if (r < 0)
		return (int)r;
	ret = task_read(inf->tid, at, sv, sizeof(sv));
	if (ret < 0)
		return ret;
	ret = sys_pidfd_getfd(pidfd, sv[0]);
	if (ret >= 0)
		inf->hand.ctl = fd_high(ret);
	else
		ret = -errno;
	call(inf, SYS_close, sv[0], 0, 0, 0);
	*there = sv[1];
	return ret < 0 ? ret : 0;
}

static int executor_start(struct infection *inf, int ctl)
{
	const uint64_t args[6] = { inf->arena + EXECUTOR_TEXT };
	struct slot *s = (struct slot *)((char *)inf->local + EXECUTOR_TEXT);
	struct user_regs_struct r = inf->home_regs;

	s->ctl = ctl;
	s->home = inf->home + 8;
	inf->hand.slot = s;
	inf->hand.slot_addr = inf->arena + EXECUTOR_TEXT;
	inf->hand.pid = inf->tid;
	inf->hand.ran = true;
	r.rip = inf->arena;
	r.rsp = inf->home;
	r.rdi = args[0];
	r.rax = 0;
	r.orig_rax = -1;
	r.eflags &= ~0x400UL;
	if (ptrace(PTRACE_SETREGS, inf->tid, 0, &r) < 0 || ptrace(PTRACE_CONT, inf->tid, 0, 0) < 0)
		return -errno;
	return 0;
}

int infect_start(struct infection *inf, int pidfd, size_t n_threads)
{
	_cleanup_close_ int memfd = -1;
	int there = -1, ctl = -1, ret = infect_home(inf);

	if (ret < 0)
		return ret;
	inf->hand.pidfd = pidfd;
	inf->arena_size = EXECUTOR_TEXT + SLOT_SIZE + n_threads * infect_home_room(inf);
	memfd = arena_memfd(inf, pidfd, &there);
	if (memfd < 0)
		return memfd;
	ret = arena_map(inf, memfd, there);
	call(inf, SYS_close, there, 0, 0, 0);
	if (ret >= 0)
		ret = arena_socket(inf, pidfd, &ctl);
	if (ret >= 0) {
		if (!inf->restorer) /* the executor has one */
			arch_find_gadgets(inf, inf->arena, (const uint8_t *)executor_blob,
					  executor_blob_end - executor_blob);
		infect_lend(inf, 0, inf);
		ret = infect_home_to_arena(inf);
	}
	return ret < 0 ? ret : executor_start(inf, ctl);
}

/* Stop the executor again: the thread waits in read() on its control socket. */
static int stop_executor(struct infection *inf)
{
	int status;

	if (!inf->hand.slot)
		return 0;
	if (ptrace(PTRACE_INTERRUPT, inf->tid, 0, 0) < 0)
		return -errno;
	return infect_wait(inf->tid, 10000, &status);
}

static int remove_arena(struct infection *inf)
{
	int ret = stop_executor(inf);
	long r;

	if (ret < 0 || !inf->arena)
		return ret;
	/* Back onto the task's own memory before the arena goes. */
	if (inf->lent)
		ret = infect_home_from_arena(inf);
	if (ret < 0)
		return ret;
	if (inf->hand.slot)
		call(inf, SYS_close, inf->hand.slot->ctl, 0, 0, 0);
	r = call(inf, SYS_munmap, inf->arena, inf->arena_size, 0, 0);
	inf->arena = 0;
	return r < 0 ? (int)r : 0;
}

int infect_cure(struct infection *inf)
{
	struct iovec iov = { inf->xstate, inf->xstate_full };
	struct user_regs_struct regs = inf->home_regs;
	int ret;

	if (!inf->home)
		return 0;
	ret = remove_arena(inf);
	if (ret < 0)
		return ret;
	if (ptrace(PTRACE_SETREGSET, inf->tid, NT_X86_XSTATE, &iov) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, inf->tid, sizeof(inf->sigmask), &inf->sigmask) < 0 ||
	    ptrace(PTRACE_SETREGS, inf->tid, 0, &regs) < 0)
		return -errno;
	infect_home_done(inf);
	return 0;
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
