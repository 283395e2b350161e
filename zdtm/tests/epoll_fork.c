/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An epoll inherited by a child that closed its targets' numbers; EPOLLEXCLUSIVE; a signalfd of the child. */
#include "zdtm.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_run(int ep, int ev, int report)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 77 };
	int own = epoll_create1(0), sig;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, 0);
	close(ev); /* only the parent has it now, the shared epoll still watches it */
	if (epoll_ctl(own, EPOLL_CTL_ADD, sig, &e) < 0 || write(report, "r", 1) != 1)
		_exit(1);
	if (epoll_wait(own, &e, 1, -1) != 1 || e.data.u32 != 77)
		_exit(2);
	if (epoll_wait(ep, &e, 1, 5000) != 1 || e.data.u32 != 5)
		_exit(3);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.u32 = 5 };
	int ep, ev, p[2];
	pid_t child;
	char c;

	test_init(argc, argv);
	ep = epoll_create1(0);
	ev = eventfd(0, 0);
	if (ep < 0 || pipe(p) < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e) < 0)
		pfail("setup");
	child = fork();
	if (child == 0)
		child_run(ep, ev, p[1]);
	if (read(p[0], &c, 1) != 1)
		fail("child");
	test_daemon();
	test_waitsig();
	if (epoll_wait(ep, &e, 1, 0) != 0)
		fail("an event before anything happened");
	if (eventfd_write(ev, 1) < 0 || kill(child, SIGUSR2) < 0)
		pfail("wake");
	wait_child(child);
	pass();
}
