/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executors into stopped threads, and out of them again: all at once, call by call, so that the time it
 * takes to wake a task and to be woken by it is not paid for each.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"
#include "base/syscalls.h"
#include "remote/infect.h"

#define BELOW_HOME 64 /* where small arguments lie */

/* One thread on the way. */
struct start {
	struct infection *inf;
	struct infect_process of;
	int arena_fd, ends[2]; /* in the task; -1 */
	int err;
};

static void args_set(struct step *s, long nr, const uint64_t args[6])
{
	s->nr = nr;
	memcpy(s->args, args, sizeof(s->args));
}
#define STEP(s, nr, ...) args_set(s, nr, (const uint64_t[6]){ __VA_ARGS__ })

static int memfd_begin(struct start *a, struct step *s)
{
	static const char name[] = "ctcr";
	uint64_t at = a->inf->home - BELOW_HOME;

	STEP(s, SYS_memfd_create, at, MFD_CLOEXEC);
	return task_write(a->inf->tid, at, name, sizeof(name));
}

/* Ours too, with the executor's text in it. */
static int memfd_end(struct start *a, long ret)
{
	struct infection *inf = a->inf;
	_cleanup_close_ int fd = sys_pidfd_getfd(a->of.pidfd, (int)ret);

	a->arena_fd = (int)ret;
	inf->arena_size = EXECUTOR_TEXT + SLOT_SIZE + a->of.n_threads * infect_home_room(inf);
	if (fd < 0 || ftruncate(fd, (off_t)inf->arena_size) < 0)
		return -errno;
	inf->local = mmap(NULL, inf->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (inf->local == MAP_FAILED) {
		inf->local = NULL;
		return -errno;
	}
	memcpy(inf->local, executor_blob, executor_blob_end - executor_blob);
	return 0;
}

static int map_begin(struct start *a, struct step *s)
{
	STEP(s, SYS_mmap, 0, a->inf->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, (uint64_t)a->arena_fd,
	     0);
	return 0;
}

static int map_end(struct start *a, long ret)
{
	a->inf->arena = (uint64_t)ret;
	return 0;
}

static int protect_begin(struct start *a, struct step *s)
{
	STEP(s, SYS_mprotect, a->inf->arena, EXECUTOR_TEXT, PROT_READ | PROT_EXEC);
	return 0;
}

static int protect_end(struct start *a, long ret)
{
	return 0;
}

static int socket_begin(struct start *a, struct step *s)
{
	STEP(s, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, a->inf->home - BELOW_HOME);
	return 0;
}

static int socket_end(struct start *a, long ret)
{
	int fd, err = task_read(a->inf->tid, a->inf->home - BELOW_HOME, a->ends, sizeof(a->ends));

	if (err < 0)
		return err;
	fd = sys_pidfd_getfd(a->of.pidfd, a->ends[0]);
	if (fd < 0)
		return -errno;
	a->inf->hand.ctl = fd_high(fd);
	return 0;
}

static const struct {
	int (*begin)(struct start *a, struct step *s);
	int (*end)(struct start *a, long ret);
} parts[] = {
	{ memfd_begin, memfd_end },
	{ map_begin, map_end },
	{ protect_begin, protect_end },
	{ socket_begin, socket_end },
};

/* One call in each; what fails is left out from then on. */
static void run_part(struct start *a, struct step *s, size_t n, size_t part)
{
	for (size_t i = 0; i < n; i++) {
		s[i] = (struct step){ .inf = a[i].inf, .err = a[i].err };
		if (s[i].err >= 0)
			s[i].err = parts[part].begin(&a[i], &s[i]);
	}
	infect_steps(s, n);
	for (size_t i = 0; i < n; i++) {
		if (a[i].err >= 0)
			a[i].err = s[i].err;
		if (a[i].err >= 0 && s[i].ret < 0 && s[i].ret > -4096)
			a[i].err = (int)s[i].ret;
		if (a[i].err >= 0)
			a[i].err = parts[part].end(&a[i], s[i].ret);
	}
}

/* The way home goes to the arena; it runs, and its first batch closes what is not needed any more. */
static int executor_start(struct start *a)
{
	struct infection *inf = a->inf;
	struct slot *s = (struct slot *)((char *)inf->local + EXECUTOR_TEXT);
	struct user_regs_struct r = inf->home_regs;
	int ret;

	if (!inf->restorer) /* the executor has one */
		arch_find_gadgets(inf, inf->arena, (const uint8_t *)executor_blob,
				  executor_blob_end - executor_blob);
	infect_lend(inf, 0, inf);
	ret = infect_home_to_arena(inf);
	if (ret < 0)
		return ret;
	s->ctl = a->ends[1];
	s->home = inf->home + 8;
	s->stop = inf->stop_sig != 0;
	inf->hand.slot = s;
	inf->hand.slot_addr = inf->arena + EXECUTOR_TEXT;
	inf->hand.pid = inf->tid;
	inf->hand.pidfd = a->of.pidfd;
	inf->hand.ran = true;
	r.rip = inf->arena;
	r.rsp = inf->home;
	r.rdi = inf->hand.slot_addr;
	r.rax = 0;
	r.orig_rax = -1;
	r.eflags &= ~0x400UL;
	/*
	 * It is rung before it runs: as long as it holds the other end of its socket itself, it would
	 * wait for ever if we died now.
	 */
	remote_call(&inf->hand, SYS_close, a->arena_fd);
	remote_call(&inf->hand, SYS_close, a->ends[0]);
	ret = remote_start(&inf->hand);
	if (ret < 0)
		return ret;
	if (ptrace(PTRACE_SETREGS, inf->tid, 0, &r) < 0 || ptrace(PTRACE_CONT, inf->tid, 0, 0) < 0)
		return -errno;
	return 0;
}

/* A start that failed on the way leaves nothing open. */
static void give_up(struct start *a)
{
	const int fds[] = { a->arena_fd, a->ends[0], a->ends[1] };
	long ret;

	for (size_t i = 0; i < ARRAY_SIZE(fds) && !a->inf->hand.slot; i++)
		if (fds[i] >= 0)
			(void)infect_syscall(a->inf, SYS_close, (const uint64_t[6]){ (uint64_t)fds[i] },
					     &ret);
}

static int start_all(struct start *a, struct step *s, size_t n, size_t *ret_which)
{
	int ret = 0;

	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		run_part(a, s, n, k);
	for (size_t i = 0; i < n; i++)
		if (a[i].err >= 0)
			a[i].err = executor_start(&a[i]);
	for (size_t i = 0; i < n; i++) {
		if (a[i].err >= 0)
			a[i].err = remote_finish(&a[i].inf->hand);
		if (a[i].err >= 0)
			continue;
		give_up(&a[i]);
		if (ret >= 0) {
			ret = a[i].err;
			*ret_which = i;
		}
	}
	return ret;
}

int infect_start(struct infection *const *v, const struct infect_process *of, size_t n, size_t *ret_which)
{
	_cleanup_free_ struct start *a = calloc(n + 1, sizeof(*a));
	_cleanup_free_ struct step *s = calloc(n + 1, sizeof(*s));
	struct gadget_cache cache = { .n = 0 };

	*ret_which = 0;
	if (!a || !s)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		a[i] = (struct start){ v[i], of[i], -1, { -1, -1 }, 0 };
		a[i].err = infect_home(v[i], &cache);
	}
	return start_all(a, s, n, ret_which);
}

static bool is_infected(const struct infection *inf)
{
	return inf->home && inf->hand.slot;
}

/* The executor waits in read() on its control socket: stopped again, of all that have one. */
static void stop_executors(struct infection *const *v, size_t n, int *errs)
{
	int status;

	for (size_t i = 0; i < n; i++)
		if (errs[i] >= 0 && is_infected(v[i]) && ptrace(PTRACE_INTERRUPT, v[i]->tid, 0, 0) < 0)
			errs[i] = -errno;
	for (size_t i = 0; i < n; i++)
		if (errs[i] >= 0 && is_infected(v[i]))
			errs[i] = infect_wait(v[i]->tid, 10000, &status);
}

/* One call in all that have an arena. */
static void steps_in_arenas(struct infection *const *v, size_t n, int *errs, struct step *s, bool unmap)
{
	for (size_t i = 0; i < n; i++) {
		s[i] = (struct step){ .inf = v[i], .err = errs[i] };
		if (s[i].err < 0 || !v[i]->arena || (!unmap && !is_infected(v[i])))
			s[i].err = -ECANCELED;
		else if (unmap)
			STEP(&s[i], SYS_munmap, v[i]->arena, v[i]->arena_size);
		else
			STEP(&s[i], SYS_close, (uint64_t)v[i]->hand.slot->ctl);
	}
	infect_steps(s, n);
	for (size_t i = 0; i < n; i++)
		if (s[i].err < 0 && s[i].err != -ECANCELED && errs[i] >= 0)
			errs[i] = s[i].err;
		else if (unmap && s[i].err >= 0)
			v[i]->arena = 0;
}

/* The registers last: until then they lead home. */
static int set_home(struct infection *inf)
{
	struct iovec iov = { inf->xstate, inf->xstate_full };
	struct user_regs_struct regs = inf->home_regs;

	if (!inf->home)
		return 0;
	if (ptrace(PTRACE_SETREGSET, inf->tid, NT_X86_XSTATE, &iov) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, inf->tid, sizeof(inf->sigmask), &inf->sigmask) < 0 ||
	    ptrace(PTRACE_SETREGS, inf->tid, 0, &regs) < 0)
		return -errno;
	infect_home_done(inf);
	return 0;
}

/* Back onto the task's own memory before the arena goes. */
static int leave_arena(struct infection *inf)
{
	return inf->home && inf->lent ? infect_home_from_arena(inf) : 0;
}

int infect_cure(struct infection *const *v, size_t n, int *ret_errs)
{
	_cleanup_free_ struct step *s = calloc(n + 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	memset(ret_errs, 0, n * sizeof(*ret_errs));
	stop_executors(v, n, ret_errs);
	/* the frames of the other threads lie in the leader's arena */
	for (size_t i = 0; i < n; i++)
		if (ret_errs[i] >= 0)
			ret_errs[i] = v[i]->arena ? leave_arena(v[i]) : set_home(v[i]);
	steps_in_arenas(v, n, ret_errs, s, false);
	steps_in_arenas(v, n, ret_errs, s, true);
	for (size_t i = 0; i < n; i++)
		if (ret_errs[i] >= 0)
			ret_errs[i] = set_home(v[i]);
	return 0;
}
