/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A signalfd reads its signals, also one that was pending, and wakes an epoll. */
#include "zdtm.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct signalfd_siginfo si;
	sigset_t set;
	int fd, ep;

	test_init(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	ep = epoll_create1(0);
	if (fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		pfail("setup");
	kill(getpid(), SIGUSR1);
	test_daemon();
	test_waitsig();
	if (read(fd, &si, sizeof(si)) != sizeof(si) || si.ssi_signo != SIGUSR1)
		fail("the pending signal");
	if (epoll_wait(ep, &ev, 1, 0) != 0)
		fail("an event without a signal");
	kill(getpid(), SIGRTMIN + 3);
	if (epoll_wait(ep, &ev, 1, 5000) != 1 || read(fd, &si, sizeof(si)) != sizeof(si) ||
	    si.ssi_signo != (unsigned)SIGRTMIN + 3)
		fail("the epoll does not wake");
	pass();
}
