/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: 1 TCP connections wait to be accepted (127.0.0.1: */
/* Without the option a TCP connection that waits to be accepted is refused, and goes on. */
#include "sockets.h"

int main(int argc, char **argv)
{
	int l, c, s;

	test_init(argc, argv);
	l = xsocket(AF_INET, SOCK_STREAM, 0);
	c = xsocket(AF_INET, SOCK_STREAM, 0);
	s = xbind_loopback(l, AF_INET);
	xlisten(l, 1);
	xconnect_loopback(c, AF_INET, s);
	xsend(c, "x");
	test_daemon();
	test_waitsig();
	s = xaccept(l);
	expect_recv(s, "x");
	pass();
}
