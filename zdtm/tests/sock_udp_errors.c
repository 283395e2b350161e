/* SPDX-License-Identifier: GPL-2.0-or-later */
/* warn: errors or time stamps that wait to be read (SO_ERROR, MSG_ERRQUEUE) are not in the image */
/* UDP sockets that have been refused, and do not know it yet: with datagrams that wait behind that, and
 * without. */
#include "sockets.h"

#include <poll.h>

/* Refused once more, where the error is kept. */
static void expect_received(int fd)
{
	char c = 0;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	if (n < 0 && errno == ECONNREFUSED)
		n = recv(fd, &c, 1, MSG_DONTWAIT);
	if (n != 1 || c != 'q')
		pfail("what waited behind an error");
}

static void await_error(int fd)
{
	struct pollfd p = { .fd = fd };

	if (poll(&p, 1, -1) != 1 || !(p.revents & POLLERR))
		pfail("poll");
}

int main(int argc, char **argv)
{
	int refused, closed, both, from, port;

	test_init(argc, argv);
	closed = xsocket(AF_INET, SOCK_DGRAM, 0);
	refused = xsocket(AF_INET, SOCK_DGRAM, 0);
	xconnect_loopback(refused, AF_INET, xbind_loopback(closed, AF_INET));
	from = xsocket(AF_INET, SOCK_DGRAM, 0);
	both = xsocket(AF_INET, SOCK_DGRAM, 0);
	port = xbind_loopback(from, AF_INET);
	xconnect_loopback(from, AF_INET, xbind_loopback(both, AF_INET));
	xconnect_loopback(both, AF_INET, port);
	xsend(from, "q");
	await_queued(both, 0);
	close(from);
	close(closed);
	xsend(refused, "x");
	xsend(both, "x");
	await_error(refused);
	await_error(both);
	test_daemon();
	test_waitsig();
	expect_received(both);
	expect_empty(both);
	from = xsocket(AF_INET, SOCK_DGRAM, 0);
	xconnect_loopback(refused, AF_INET, xbind_loopback(from, AF_INET));
	if (send(refused, "more", 4, 0) < 0)
		xsend(refused, "more");
	expect_recv(from, "more");
	pass();
}
