/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stopping a thread: inside a restartable sequence, and what a stop that comes meanwhile does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/wait.h>

#include "base/procfs.h"
#include "base/syscalls.h"
#include "remote/infect.h"

struct sequence {
	uint32_t version, flags;
	uint64_t start, length, abort;
} __attribute__((aligned(32)));

/* Shared with the parent by being the same program at the same addresses. */
extern const char seq_start[], seq_end[], seq_abort[];
static struct sequence seq;

/* For ever in the sequence; each abort begins it again. */
static void spin_in_sequence(struct rseq *area)
{
	__asm__ volatile("jmp 1f\n\t"
			 ".long 0x53053053\n\t"
			 "seq_abort:\n\t"
			 "1: movq %[seq], (%[cs])\n\t"
			 "seq_start:\n\t"
			 "2: pause\n\t"
			 "jmp 2b\n\t"
			 "seq_end:\n\t"
			 :
			 : [seq] "r"(&seq), [cs] "r"((char *)area + 8)
			 : "memory");
}

static pid_t child(void (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
		_exit(1);
	}
	return pid;
}

static struct infection *stop(pid_t pid)
{
	struct infection *inf;
	int status;

	assert_int_equal(infect_seize(pid), 0);
	assert_int_equal(infect_wait(pid, 5000, &status), 0);
	assert_int_equal(infect_read(pid, status, &inf), 0);
	return inf;
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) > 0)
		;
}

static void run_sequence(void)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	seq.start = (uint64_t)seq_start;
	seq.length = (uint64_t)(seq_end - seq_start);
	seq.abort = (uint64_t)seq_abort;
	spin_in_sequence(area);
}

static void test_rseq(void **state)
{
	uint64_t start = (uint64_t)seq_start, end = (uint64_t)seq_end;
	bool inside = false;
	pid_t pid;

	if (!__rseq_size)
		skip();
	pid = child(run_sequence);
	for (int i = 0; !inside && i < 1000; i++) {
		struct infection *inf = stop(pid);

		inside = inf->regs.rip >= start && inf->regs.rip < end;
		if (inside) {
			assert_int_equal(inf->home_regs.rip, (uint64_t)seq_abort);
			assert_int_equal(inf->image_regs.rip, (uint64_t)seq_abort);
		} else {
			assert_int_equal(inf->home_regs.rip, inf->regs.rip);
		}
		infect_detach(inf);
		usleep(1000);
	}
	assert_true(inside);
	finish(pid);
}

static void run_pause(void)
{
	for (;;)
		pause();
}

static int start(struct infection *inf, int pidfd)
{
	const struct infect_process of = { pidfd, 1 };
	size_t which;

	return infect_start(&inf, &of, 1, &which);
}

/* Calls go on when a SIGSTOP comes, and it is not lost. */
static void test_stop_signal(void **state)
{
	pid_t pid = child(run_pause);
	int pidfd = sys_pidfd_open(pid, 0), status, err;
	struct infection *inf = stop(pid);

	assert_int_equal(start(inf, pidfd), 0);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 3; i++)
		assert_int_equal(remote_syscall(&inf->hand, SYS_getpid), pid);
	assert_int_equal(infect_cure(&inf, 1, &err), 0);
	assert_int_equal(err, 0);
	assert_int_equal(infect_detach(inf), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	close(pidfd);
	finish(pid);
}

/* A task that is killed answers by its end, even while somebody else holds its control socket. */
static void test_killed(void **state)
{
	pid_t pid = child(run_pause);
	int pidfd = sys_pidfd_open(pid, 0), other;
	struct infection *inf = stop(pid);

	assert_int_equal(start(inf, pidfd), 0);
	other = remote_get_fd(&inf->hand, inf->hand.slot->ctl);
	assert_true(other >= 0);
	kill(pid, SIGKILL);
	assert_int_equal(remote_syscall(&inf->hand, SYS_getpid), -ECONNRESET);
	close(other);
	infect_free(inf);
	close(pidfd);
	finish(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rseq),
		cmocka_unit_test(test_stop_signal),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
