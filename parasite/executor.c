/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executor: runs batches of system calls for the coordinator. No libc, no data, no relocations.
 * See parasite/protocol.h for the arena, src/remote for the other side.
 */
#include <asm/unistd.h>
#include <linux/errno.h>

#include "parasite/protocol.h"

long raw_syscall(long nr, const uint64_t *args);
long raw_clone(const uint64_t *args);
void go_home(uint64_t frame) __attribute__((noreturn));
void executor(struct slot *s) __attribute__((noreturn));

#define MSG_NOSIGNAL_ 0x4000

static long call3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t args[6] = { a, b, c, 0, 0, 0 };

	return raw_syscall(nr, args);
}

static long copy_bytes(const uint64_t *args)
{
	char *to = (char *)args[0];
	const char *from = (const char *)args[1];

	for (uint64_t i = 0; i < args[2]; i++)
		((volatile char *)to)[i] = from[i];
	return 0;
}

static long run_call(struct slot *s, struct remote_call *c)
{
	uint64_t args[6];

	for (int i = 0; i < 6; i++)
		args[i] = c->args[i] + (c->ref[i] ? (uint64_t)s->calls[c->ref[i] - 1].ret : 0);
	if (c->nr == OP_CLONE)
		return raw_clone(args);
	if (c->nr == OP_COPY)
		return copy_bytes(args);
	return raw_syscall(c->nr, args);
}

static void run_batch(struct slot *s)
{
	uint32_t n = s->n_calls <= SLOT_CALLS ? s->n_calls : SLOT_CALLS;

	s->n_done = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct remote_call *c = &s->calls[i];

		c->ret = run_call(s, c);
		s->n_done = i + 1;
		if (c->ret < 0 && c->ret > -4096 && !(c->flags & CALL_MAY_FAIL))
			break;
	}
}

/*
 * The kernel stops a task that was stopped by job control again, a moment after the end of the coordinator is
 * seen here: wait for that, or for its continuation, which ends the wait.
 */
static void wait_for_stop(void)
{
	const uint64_t none = 0, patience[2] = { 2, 0 };
	const uint64_t args[6] = { (uint64_t)&none, 0, (uint64_t)patience, sizeof(none), 0, 0 };

	raw_syscall(__NR_rt_sigtimedwait, args);
}

static void leave(struct slot *s)
{
	call3(__NR_close, s->ctl, 0, 0);
	if (s->stop)
		wait_for_stop();
	if (s->home)
		go_home(s->home);
	for (;;)
		call3(__NR_exit_group, 0, 0, 0);
}

void executor(struct slot *s)
{
	for (;;) {
		char byte = 0;
		long n = call3(__NR_read, s->ctl, (uint64_t)&byte, 1);
		uint64_t args[6] = { s->ctl, (uint64_t)&byte, 1, MSG_NOSIGNAL_, 0, 0 };

		if (n == -EINTR)
			continue;
		if (n != 1)
			leave(s);
		run_batch(s);
		if (raw_syscall(__NR_sendto, args) != 1)
			leave(s);
	}
}
