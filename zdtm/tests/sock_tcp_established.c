/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * TCP connections with both ends inside, over IPv4 and IPv6: unread data both ways (more than a
 * window, so that some was never sent), names, options, traffic afterwards; the listener goes on.
 */
#include "sockets.h"

#define BIG (1 << 20)

static char data[BIG], back[BIG];

struct conn {
	int domain, listener, port, client, server, big[2];
	size_t sent;
};

static void make(struct conn *c, int domain)
{
	c->domain = domain;
	c->listener = xsocket(domain, SOCK_STREAM, 0);
	set_int(c->listener, SOL_SOCKET, SO_REUSEADDR, 1);
	c->port = xbind_loopback(c->listener, domain);
	xlisten(c->listener, 5);
	c->client = xsocket(domain, SOCK_STREAM, 0);
	xconnect_loopback(c->client, domain, c->port);
	c->server = xaccept(c->listener);
	c->big[0] = xsocket(domain, SOCK_STREAM, 0);
	set_int(c->big[0], SOL_SOCKET, SO_SNDBUF, 300000);
	xconnect_loopback(c->big[0], domain, c->port);
	c->big[1] = xaccept(c->listener);
	set_int(c->big[1], SOL_SOCKET, SO_RCVBUF, 20000);
	set_int(c->client, IPPROTO_TCP, TCP_NODELAY, 1);
	xsend(c->client, "to server");
	xsend(c->server, "to client");
	while (c->sent < BIG) {
		ssize_t n = send(c->big[0], data + c->sent, BIG - c->sent, MSG_DONTWAIT);

		if (n <= 0)
			break;
		c->sent += n;
	}
	if (c->sent == BIG)
		fail("everything was sent at once");
}

static void check(struct conn *c)
{
	size_t got = 0;
	int fd;

	expect_recv(c->server, "to server");
	expect_recv(c->client, "to client");
	xsend(c->client, "more");
	expect_recv(c->server, "more");
	xsend(c->server, "and back");
	expect_recv(c->client, "and back");
	if (!get_int(c->client, IPPROTO_TCP, TCP_NODELAY) || get_int(c->server, IPPROTO_TCP, TCP_NODELAY))
		fail("TCP_NODELAY");
	if (!get_int(c->server, SOL_SOCKET, SO_REUSEADDR))
		fail("SO_REUSEADDR of an accepted socket");
	while (got < c->sent) {
		ssize_t n = recv(c->big[1], back + got, c->sent - got, 0);

		if (n <= 0)
			pfail("after %zu of %zu bytes", got, c->sent);
		got += n;
	}
	if (memcmp(data, back, c->sent))
		fail("data differ");
	expect_empty(c->big[1]);
	fd = xsocket(c->domain, SOCK_STREAM, 0);
	xconnect_loopback(fd, c->domain, c->port);
	close(xaccept(c->listener));
	expect_eof(fd);
	close(c->client);
	expect_eof(c->server);
}

int main(int argc, char **argv)
{
	struct conn v4 = { 0 }, v6 = { 0 };

	test_init(argc, argv);
	pattern_fill(data, BIG, 5);
	make(&v4, AF_INET);
	make(&v6, AF_INET6);
	test_daemon();
	test_waitsig();
	check(&v4);
	check(&v6);
	pass();
}
