/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: socket cannot be restored; close it */
/* A family that cannot be restored is refused by name; the first this kernel has. */
#include "sockets.h"

int main(int argc, char **argv)
{
	static const int kinds[][3] = {
		{ AF_VSOCK, SOCK_STREAM, 0 }, { AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */ },
		{ AF_ALG, SOCK_SEQPACKET, 0 }, { AF_KEY, SOCK_RAW, 2 }, { AF_BLUETOOTH, SOCK_RAW, 1 },
	};
	int fd = -1;

	test_init(argc, argv);
	for (int i = 0; fd < 0 && i < 5; i++)
		fd = socket(kinds[i][0], kinds[i][1], kinds[i][2]);
	if (fd < 0)
		skip("no such family here");
	test_daemon();
	test_waitsig();
	if (get_int(fd, SOL_SOCKET, SO_TYPE) < 1)
		fail("another socket");
	pass();
}
