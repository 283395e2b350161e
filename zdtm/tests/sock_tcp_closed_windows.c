/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * Both windows of a connection are closed, one for want of memory after the peer had sent some more bytes,
 * fewer than the unit of the window: its window updates bear a number beyond the closed window, and Linux
 * takes none of those (since 6.17). When one side reads, data flow to it all the same, the other not reading.
 */
#include "repair.h"

#define FIRST 20000
#define REST 50
#define PATIENCE 10000 /* ms */

static char data[65536];

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	return info;
}

/* What was sent has been acknowledged, or refused: then the window that came with the refusal is closed. */
static void wait_delivered(int fd)
{
	struct tcp_info info;

	do {
		usleep(1000);
		info = info_of(fd);
	} while (info.tcpi_unacked && info.tcpi_snd_wnd);
}

/* Until nothing goes any more because the peer's window is closed. */
static size_t fill(int fd)
{
	size_t sent = 0;

	for (;;) {
		ssize_t n = send(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n > 0)
			sent += n;
		else if (errno != EAGAIN)
			pfail("send");
		else if (info_of(fd).tcpi_snd_wnd == 0)
			return sent;
		else
			usleep(1000);
	}
}

int main(int argc, char **argv)
{
	int client, server, waited = 0;
	struct tcp_pair p;
	size_t sent, unread, got = 0;

	test_init(argc, argv);
	xtcp_pair(&p, AF_INET);
	client = p.client;
	server = p.server;
	set_int(client, IPPROTO_TCP, TCP_NODELAY, 1);
	if (send(client, data, FIRST, 0) != FIRST)
		pfail("send");
	while (recv(server, data, sizeof(data), MSG_PEEK) < FIRST)
		usleep(1000);
	sent = fill(server);
	set_int(server, SOL_SOCKET, SO_RCVBUF, 1);
	for (unread = FIRST; windows_of(server).rcv_wnd; unread += REST) {
		if (send(client, data, REST, 0) != REST)
			pfail("send");
		wait_delivered(client);
	}
	test_daemon();
	test_waitsig();
	while (got < sent) {
		ssize_t n = recv(client, data, sizeof(data), MSG_DONTWAIT);

		if (n > 0) {
			got += n;
			waited = 0;
		} else if (n == 0 || errno != EAGAIN) {
			pfail("receive");
		} else if (waited++ > PATIENCE) {
			fail("%zu of %zu bytes came", got, sent);
		} else {
			usleep(1000);
		}
	}
	for (got = 0; got < unread;) {
		ssize_t n = recv(server, data, sizeof(data), 0);

		if (n <= 0)
			pfail("after %zu bytes", got);
		got += n;
	}
	pass();
}
