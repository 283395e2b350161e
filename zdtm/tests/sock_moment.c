/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cannot be dumped at one moment only, is dumped a moment later: TCP and unix connections that
 * the server accepts when it comes to it, with data the client has written already.
 */
/* dump: --tcp-established */
/* restore: --tcp-established */
#include "sockets.h"

#include <poll.h>
#include <signal.h>

static void serve(int l)
{
	int fd = xaccept(l);
	char c;

	if (read(fd, &c, 1) != 1 || write(fd, &c, 1) != 1)
		pfail("serve");
	close(fd);
}

/* A slow server for both listeners, one client at a time, forever. */
static void server(int tcp, int un)
{
	struct pollfd p[2] = { { .fd = tcp, .events = POLLIN }, { .fd = un, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) <= 0)
			continue;
		usleep(2000);
		for (int i = 0; i < 2; i++)
			if (p[i].revents & POLLIN)
				serve(p[i].fd);
	}
}

static void ask(int fd)
{
	char c;

	xsend(fd, "q");
	while (recv(fd, &c, 1, 0) != 1)
		if (errno != EINTR)
			pfail("no answer");
	close(fd);
}

int main(int argc, char **argv)
{
	int tcp, un, port, fd;
	sigset_t term;
	pid_t pid;

	test_init(argc, argv);
	tcp = xsocket(AF_INET, SOCK_STREAM, 0);
	set_int(tcp, SOL_SOCKET, SO_REUSEADDR, 1);
	port = xbind_loopback(tcp, AF_INET);
	xlisten(tcp, 5);
	un = xsocket(AF_UNIX, SOCK_STREAM, 0);
	xbind_unix(un, "moment.sock");
	xlisten(un, 5);
	pid = fork();
	if (!pid)
		server(tcp, un);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	test_daemon();
	for (int i = 0; test_go(); i++) {
		fd = xsocket(i % 2 ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
		sigprocmask(SIG_BLOCK, &term, NULL); /* the runner's word interrupts connect(2) */
		if (i % 2)
			xconnect_unix(fd, "moment.sock");
		else
			xconnect_loopback(fd, AF_INET, port);
		sigprocmask(SIG_UNBLOCK, &term, NULL);
		ask(fd);
		usleep(5000);
	}
	kill(pid, SIGKILL);
	pass();
}
