/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: TCP connection with 127.0.0.1: */
/* Without the option a TCP connection is refused, and goes on. */
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
	s = xaccept(l);
	test_daemon();
	test_waitsig();
	xsend(c, "x");
	expect_recv(s, "x");
	pass();
}
