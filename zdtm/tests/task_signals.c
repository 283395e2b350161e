/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions, mask, queued signals with their values and order, the alternate stack. */
#include "zdtm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int got[8], n_got;
static char stack[65536];

static void handler(int sig, siginfo_t *info, void *ctx)
{
	if (n_got < 8)
		got[n_got++] = sig == SIGUSR1 ? 1000 : info->si_value.sival_int;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART }, now;
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, is;
	sigset_t set, was;

	test_init(argc, argv);
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaction(SIGRTMIN + 3, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGUSR2, SIG_IGN);
	sigaltstack(&ss, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &was);
	for (int i = 1; i <= 3; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i });
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	test_daemon();
	test_waitsig();
	sigaction(SIGRTMIN + 3, NULL, &now);
	if (now.sa_sigaction != handler || (now.sa_flags & sa.sa_flags) != sa.sa_flags ||
	    !sigismember(&now.sa_mask, SIGHUP))
		fail("the action has changed");
	sigaction(SIGUSR2, NULL, &now);
	if (now.sa_handler != SIG_IGN)
		fail("an ignored signal is not ignored");
	sigaltstack(NULL, &is);
	if (is.ss_sp != ss.ss_sp || is.ss_size != ss.ss_size || is.ss_flags)
		fail("the alternate stack is not what it was");
	if (n_got)
		fail("a blocked signal was delivered");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (n_got != 4)
		fail("%d queued signals came, not 4", n_got);
	for (int i = 1, k = 0; k < 4; k++)
		if (got[k] != 1000 && got[k] != i++)
			fail("signal %d carries %d", k, got[k]);
	pass();
}
