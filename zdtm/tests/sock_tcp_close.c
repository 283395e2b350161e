/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-close */
/* restore: --tcp-close */
/* modes: host ns userns twice */
/* With --tcp-close connections become unconnected sockets; the listener goes on. */
#include "sockets.h"

int main(int argc, char **argv)
{
	int l, c, s, port;

	test_init(argc, argv);
	l = xsocket(AF_INET, SOCK_STREAM, 0);
	c = xsocket(AF_INET, SOCK_STREAM, 0);
	set_int(l, SOL_SOCKET, SO_REUSEADDR, 1);
	port = xbind_loopback(l, AF_INET);
	xlisten(l, 1);
	xconnect_loopback(c, AF_INET, port);
	s = xaccept(l);
	test_daemon();
	test_waitsig();
	if (send(s, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		fail("a closed connection sends");
	xconnect_loopback(c, AF_INET, port);
	s = xaccept(l);
	xsend(c, "x");
	expect_recv(s, "x");
	pass();
}
