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
	struct tcp_pair p;
	char oob;

	test_init(argc, argv);
	xtcp_pair(&p, AF_INET);
	xsend(p.client, "before");
	if (send(p.client, "!", 1, MSG_OOB) != 1)
		pfail("MSG_OOB");
	xsend(p.client, "after");
	while (recv(p.server, &oob, 1, MSG_OOB) != 1)
		usleep(1000);
	test_daemon();
	test_waitsig();
	expect_recv(p.server, "before");
	expect_recv(p.server, "after");
	pass();
}
