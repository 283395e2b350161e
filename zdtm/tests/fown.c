/* SPDX-License-Identifier: GPL-2.0-or-later */
/* F_SETOWN, F_SETSIG and O_ASYNC: the signal arrives. */
#include "zdtm.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec limit = { .tv_sec = 5 };
	siginfo_t si;
	sigset_t set;
	int p[2];

	test_init(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (pipe(p) < 0 || fcntl(p[0], F_SETOWN, getpid()) < 0 || fcntl(p[0], F_SETSIG, SIGRTMIN + 1) < 0 ||
	    fcntl(p[0], F_SETFL, fcntl(p[0], F_GETFL) | O_ASYNC) < 0)
		pfail("setup");
	test_daemon();
	test_waitsig();
	if (fcntl(p[0], F_GETOWN) != getpid() || fcntl(p[0], F_GETSIG) != SIGRTMIN + 1 ||
	    !(fcntl(p[0], F_GETFL) & O_ASYNC))
		fail("owner %d signal %d flags %o", fcntl(p[0], F_GETOWN), fcntl(p[0], F_GETSIG),
		     fcntl(p[0], F_GETFL));
	if (write(p[1], "x", 1) != 1 || sigtimedwait(&set, &si, &limit) != SIGRTMIN + 1 || si.si_fd != p[0])
		fail("no signal, or of fd %d", si.si_fd);
	pass();
}
