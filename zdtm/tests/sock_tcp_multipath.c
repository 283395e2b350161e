/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: MPTCP */
/* Multipath TCP is refused by name. */
#include "sockets.h"

int main(int argc, char **argv)
{
	int fd;

	test_init(argc, argv);
	fd = socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);
	if (fd < 0)
		skip("no MPTCP here");
	xbind_loopback(fd, AF_INET);
	xlisten(fd, 1);
	test_daemon();
	test_waitsig();
	if (!get_int(fd, SOL_SOCKET, SO_ACCEPTCONN))
		fail("it does not listen any more");
	pass();
}
