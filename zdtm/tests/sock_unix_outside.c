/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host */
/* refuse: --external unix[ */
/* A connection to a process outside is refused with the name of the peer, and goes on. */
#include "sockets.h"

static void start_server(void)
{
	int fd = xsocket(AF_UNIX, SOCK_STREAM, 0), conn;
	char c;

	xbind_unix(fd, "outside.sock");
	xlisten(fd, 1);
	if (!fork_outside()) {
		close(fd);
		return;
	}
	conn = xaccept(fd);
	while (read(conn, &c, 1) == 1)
		if (write(conn, &c, 1) != 1)
			break;
	_exit(0);
}

int main(int argc, char **argv)
{
	int fd;

	test_init(argc, argv);
	start_server();
	fd = xsocket(AF_UNIX, SOCK_STREAM, 0);
	xconnect_unix(fd, "outside.sock");
	test_daemon();
	test_waitsig();
	xsend(fd, "e");
	expect_recv(fd, "e");
	close(fd);
	pass();
}
