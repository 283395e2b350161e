/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queued data of all types: boundaries, empty messages, a long queue, halves shut down, a peer that is gone. */
#include "sockets.h"

#define LONG 150000

int main(int argc, char **argv)
{
	static char data[LONG], back[LONG];
	int stream[2], dgram[2], seq[2], half[2], gone[2], seqgone[2], roomy = 2 * LONG;
	size_t got = 0;

	test_init(argc, argv);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) || socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seq) || socketpair(AF_UNIX, SOCK_STREAM, 0, half) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, gone) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seqgone))
		pfail("socketpair");
	pattern_fill(data, LONG, 7);
	set_int(stream[0], SOL_SOCKET, SO_SNDBUF, roomy);
	if (send(stream[0], data, LONG, MSG_DONTWAIT) != LONG)
		pfail("send long");
	xsend(stream[1], "back");
	xsend(dgram[0], "one");
	xsend(dgram[0], "");
	xsend(dgram[0], "three");
	xsend(seq[0], "uno");
	xsend(seq[0], "due");
	xsend(half[0], "last words");
	shutdown(half[0], SHUT_WR);
	xsend(gone[0], "from the grave");
	close(gone[0]);
	xsend(seqgone[0], "x");
	xsend(seqgone[0], "y");
	close(seqgone[0]);
	test_daemon();
	test_waitsig();
	while (got < LONG) {
		ssize_t n = recv(stream[1], back + got, LONG - got, MSG_DONTWAIT);

		if (n <= 0)
			pfail("long data after %zu", got);
		got += n;
	}
	if (pattern_check(back, LONG, 7) >= 0)
		fail("long data differs at %ld", pattern_check(back, LONG, 7));
	expect_empty(stream[1]);
	expect_recv(stream[0], "back");
	expect_recv(dgram[1], "one");
	expect_recv(dgram[1], "");
	expect_recv(dgram[1], "three");
	expect_empty(dgram[1]);
	expect_recv(seq[1], "uno");
	expect_recv(seq[1], "due");
	expect_empty(seq[1]);
	expect_recv(half[1], "last words");
	expect_eof(half[1]);
	xsend(half[1], "still here");
	expect_recv(half[0], "still here");
	if (send(half[0], "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		fail("the half that was shut down writes");
	expect_recv(gone[1], "from the grave");
	expect_eof(gone[1]);
	if (send(gone[1], "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		fail("writes to nobody");
	expect_recv(seqgone[1], "x");
	expect_recv(seqgone[1], "y");
	expect_eof(seqgone[1]);
	pass();
}
