/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns userns twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * Half-closed TCP connections, with and without data left: FIN_WAIT2 and CLOSE_WAIT on either
 * side; one that was shut down for reading.
 */
#include "sockets.h"

int main(int argc, char **argv)
{
	int l, port, client[3], server[3], before[4];

	test_init(argc, argv);
	l = xsocket(AF_INET, SOCK_STREAM, 0);
	port = xbind_loopback(l, AF_INET);
	xlisten(l, 5);
	for (int i = 0; i < 3; i++) {
		client[i] = xsocket(AF_INET, SOCK_STREAM, 0);
		xconnect_loopback(client[i], AF_INET, port);
		server[i] = xaccept(l);
	}
	shutdown(client[0], SHUT_WR);
	shutdown(client[2], SHUT_RD);
	xsend(server[1], "last");
	shutdown(server[1], SHUT_WR);
	while (tcp_state(client[0]) != TCP_FIN_WAIT2 || tcp_state(server[1]) != TCP_FIN_WAIT2)
		usleep(1000);
	for (int i = 0; i < 2; i++) {
		before[2 * i] = tcp_state(client[i]);
		before[2 * i + 1] = tcp_state(server[i]);
	}
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 2; i++)
		if (tcp_state(client[i]) != before[2 * i] || tcp_state(server[i]) != before[2 * i + 1])
			fail("connection %d: states %d %d, were %d %d", i, tcp_state(client[i]),
			     tcp_state(server[i]), before[2 * i], before[2 * i + 1]);
	expect_eof(server[0]);
	xsend(server[0], "late answer");
	expect_recv(client[0], "late answer");
	expect_recv(client[1], "last");
	expect_eof(client[1]);
	xsend(client[1], "late too");
	expect_recv(server[1], "late too");
	close(server[0]);
	expect_eof(client[0]);
	expect_eof(client[2]);
	xsend(client[2], "write only");
	expect_recv(server[2], "write only");
	pass();
}
