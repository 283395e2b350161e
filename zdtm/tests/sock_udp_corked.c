/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns */
/* refuse: a datagram is being put together (UDP_CORK, MSG_MORE); try again */
/* A datagram that is being put together is waited for, then refused, and goes out whole. */
#include "sockets.h"

int main(int argc, char **argv)
{
	int to, from;

	test_init(argc, argv);
	to = xsocket(AF_INET, SOCK_DGRAM, 0);
	from = xsocket(AF_INET, SOCK_DGRAM, 0);
	xconnect_loopback(from, AF_INET, xbind_loopback(to, AF_INET));
	if (send(from, "one ", 4, MSG_MORE) != 4)
		pfail("send");
	test_daemon();
	test_waitsig();
	xsend(from, "two");
	expect_recv(to, "one two");
	pass();
}
