/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: TCP connection with 127.0.0.1: */
/* Without the option a TCP connection is refused, and goes on. */
#include "sockets.h"

int main(int argc, char **argv)
{
	struct tcp_pair p;

	test_init(argc, argv);
	xtcp_pair(&p, AF_INET);
	test_daemon();
	test_waitsig();
	xsend(p.client, "x");
	expect_recv(p.server, "x");
	pass();
}
