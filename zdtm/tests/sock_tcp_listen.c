/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns userns twice */
/* Listening TCP sockets of both families, shared with a child; bound and fresh ones; new connections. */
#include "sockets.h"

#include <signal.h>
#include <sys/wait.h>

static void check(int listener, int domain, int port)
{
	int c = xsocket(domain, SOCK_STREAM, 0), s;

	xconnect_loopback(c, domain, port);
	s = xaccept(listener);
	xsend(c, "hello");
	expect_recv(s, "hello");
	close(s);
	close(c);
}

static int backlog_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	return info.tcpi_sacked;
}

int main(int argc, char **argv)
{
	int v4, v6, bound, fresh, port4, port6, portb, status;
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	pid_t child;

	test_init(argc, argv);
	v4 = xsocket(AF_INET, SOCK_STREAM, 0);
	v6 = xsocket(AF_INET6, SOCK_STREAM, 0);
	bound = xsocket(AF_INET, SOCK_STREAM, 0);
	fresh = xsocket(AF_INET, SOCK_STREAM, 0);
	set_int(v4, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	port4 = xbind_loopback(v4, AF_INET);
	port6 = xbind_loopback(v6, AF_INET6);
	portb = xbind_loopback(bound, AF_INET);
	xlisten(v4, 17);
	xlisten(v6, 5);
	child = fork();
	if (!child) {
		char c;

		if (read(fresh, &c, 1) == 0) /* not connected: an error at once, so wait to be told */
			_exit(1);
		pause();
		_exit(0);
	}
	test_daemon();
	test_waitsig();
	if (backlog_of(v4) != 17 || backlog_of(v6) != 5)
		fail("backlogs %d %d", backlog_of(v4), backlog_of(v6));
	if (get_int(v4, SOL_SOCKET, SO_REUSEADDR) != 1 || get_int(v6, SOL_SOCKET, SO_REUSEADDR) ||
	    !get_int(v6, IPPROTO_IPV6, IPV6_V6ONLY))
		fail("options");
	check(v4, AF_INET, port4);
	check(v6, AF_INET6, port6);
	xlisten(bound, 1);
	check(bound, AF_INET, portb);
	if (getsockname(fresh, (struct sockaddr *)&a, &len) || ((struct sockaddr_in *)&a)->sin_port)
		fail("a fresh socket is bound");
	xconnect_loopback(fresh, AF_INET, port4);
	kill(child, 9);
	waitpid(child, &status, 0);
	pass();
}
