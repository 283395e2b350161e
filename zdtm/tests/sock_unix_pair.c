/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket pairs of each type, shared with a child, go on working both ways. */
#include "sockets.h"

#include <sys/wait.h>

int main(int argc, char **argv)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int sv[3][2];
	struct stat before, after;
	pid_t child;

	test_init(argc, argv);
	for (int i = 0; i < 3; i++)
		if (socketpair(AF_UNIX, types[i], 0, sv[i]))
			pfail("socketpair");
	if (fcntl(sv[0][0], F_SETFL, O_NONBLOCK))
		pfail("F_SETFL");
	child = fork();
	if (child < 0)
		pfail("fork");
	if (!child) {
		for (int i = 0; i < 3; i++) {
			expect_recv(sv[i][1], "ping");
			xsend(sv[i][1], "pong");
		}
		_exit(0);
	}
	fstat(sv[0][0], &before);
	test_daemon();
	test_waitsig();
	if (fcntl(sv[0][0], F_GETFL) != (O_RDWR | O_NONBLOCK) || fcntl(sv[0][1], F_GETFL) != O_RDWR)
		fail("status flags");
	if (fstat(sv[0][0], &after) || before.st_mode != after.st_mode || before.st_uid != after.st_uid)
		fail("mode %o, was %o, or owner", after.st_mode, before.st_mode);
	fcntl(sv[0][0], F_SETFL, 0);
	for (int i = 0; i < 3; i++) {
		if (get_int(sv[i][0], SOL_SOCKET, SO_TYPE) != types[i])
			fail("type");
		expect_unix_name(sv[i][0], 0, "");
		xsend(sv[i][0], "ping");
		expect_recv(sv[i][0], "pong");
		expect_empty(sv[i][0]);
	}
	wait_child(child);
	pass();
}
