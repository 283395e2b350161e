/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: urgent data */
/* dump: --tcp-established */
/*
 * Urgent data cannot be restored: the mark is ahead, the urgent byte has been read already, data lie on
 * both sides of it. Refused, and nothing is lost.
 */
#include "sockets.h"

int main(int argc, char **argv)
{
	int l, c, s, port;
	char oob;

	test_init(argc, argv);
	l = xsocket(AF_INET, SOCK_STREAM, 0);
	port = xbind_loopback(l, AF_INET);
	xlisten(l, 1);
	c = xsocket(AF_INET, SOCK_STREAM, 0);
	xconnect_loopback(c, AF_INET, port);
	s = xaccept(l);
	xsend(c, "before");
	if (send(c, "!", 1, MSG_OOB) != 1)
		pfail("MSG_OOB");
	xsend(c, "after");
	while (recv(s, &oob, 1, MSG_OOB) != 1)
		usleep(1000);
	test_daemon();
	test_waitsig();
	expect_recv(s, "before");
	expect_recv(s, "after");
	pass();
}
