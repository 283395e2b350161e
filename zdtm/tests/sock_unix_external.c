/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host twice */
/* dump: --external unix */
/* restore: --external unix */
/* A datagram socket connected to a process outside is connected to its name again. */
#include "sockets.h"

/* It answers one datagram to "answer.sock". */
static void start_server(void)
{
	int fd = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un a;
	char buf[16];
	ssize_t n;

	xbind_unix(fd, "outside.sock");
	if (!fork_outside()) {
		close(fd);
		return;
	}
	setsid();
	n = recv(fd, buf, sizeof(buf), 0);
	if (n > 0)
		sendto(fd, buf, n, 0, (struct sockaddr *)&a, unix_addr(&a, "answer.sock"));
	_exit(0);
}

int main(int argc, char **argv)
{
	int client, answer;

	test_init(argc, argv);
	start_server();
	client = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	answer = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	xconnect_unix(client, "outside.sock");
	xbind_unix(answer, "answer.sock");
	test_daemon();
	test_waitsig();
	expect_unix_name(client, 1, "outside.sock");
	xsend(client, "over there?");
	expect_recv(answer, "over there?");
	pass();
}
