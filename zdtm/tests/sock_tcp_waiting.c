/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * TCP connections that nobody has accepted: with and without data, more than a segment, half closed by
 * the peer; IPv4, IPv6 and IPv4 at a socket for both; at several listening sockets of one port, with a
 * program that chooses by chance and without one. They are
 * accepted where they waited and in their order, and go on in both directions.
 */
#include "sockets.h"

#include <linux/filter.h>
#include <poll.h>
#include <sys/ioctl.h>

#define EACH 6 /* connections of each kind of listening socket */
#define LISTENERS 7
#define MORE 100000

static const struct kind {
	int domain, client;
} kinds[LISTENERS] = {
	{ AF_INET, AF_INET }, { AF_INET6, AF_INET6 }, { AF_INET6, AF_INET }, { AF_INET, AF_INET },
	{ AF_INET, AF_INET }, { AF_INET, AF_INET },   { AF_INET, AF_INET },
};

static struct conn {
	int client, server, listener, port;
	size_t len; /* of what the client sent */
	int eof; /* and it was all */
} conns[LISTENERS * EACH];
static int listeners[LISTENERS], n_conns;

static int any_port(int l, int domain, int port)
{
	struct sockaddr_storage a = { .ss_family = domain };
	socklen_t len = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	((struct sockaddr_in *)&a)->sin_port = htons(port);
	if (bind(l, (struct sockaddr *)&a, len))
		pfail("bind");
	return local_port(l);
}

static int waiting(int l)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	return info.tcpi_unacked;
}

static int peer_port(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getpeername(fd, (struct sockaddr *)&a, &len))
		pfail("getpeername");
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static void send_pattern(int fd, size_t len, unsigned int seed)
{
	char *buf = malloc(len + 1);

	pattern_fill(buf, len, seed);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, buf + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			pfail("send");
		at += n;
	}
	free(buf);
}

static void expect_pattern(int fd, size_t len, unsigned int seed)
{
	char *buf = malloc(len + 1);

	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, buf + at, len - at, 0);

		if (n <= 0)
			pfail("receive %zu of %zu", at, len);
		at += n;
	}
	if (pattern_check(buf, len, seed) >= 0)
		fail("other bytes than were sent");
	free(buf);
}

/* All that was sent has arrived, the end too. */
static void settle(const struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int unsent;

	do {
		usleep(1000);
		if (ioctl(c->client, TIOCOUTQ, &unsent) ||
		    getsockopt(c->client, IPPROTO_TCP, TCP_INFO, &info, &len))
			pfail("state of a client");
	} while (unsent || info.tcpi_state != (c->eof ? TCP_FIN_WAIT2 : TCP_ESTABLISHED));
}

/* Which of the sockets of the group it waits at. */
static void connect_one(int kind, int port, int i)
{
	static const size_t lens[] = { 0, 5, 40000, 0, 3000, 1 };
	struct conn *c = &conns[n_conns++];
	int before[LISTENERS], n = 0;

	for (int l = 0; l < LISTENERS; l++)
		before[l] = waiting(listeners[l]);
	*c = (struct conn){ .len = lens[i], .eof = i >= 3 };
	c->client = xsocket(kinds[kind].client, SOCK_STREAM, 0);
	xconnect_loopback(c->client, kinds[kind].client, port);
	c->port = local_port(c->client);
	while (!n)
		for (int l = 0; l < LISTENERS; l++)
			if (waiting(listeners[l]) > before[l]) {
				c->listener = l;
				n++;
			}
	send_pattern(c->client, c->len, n_conns);
	if (c->eof)
		shutdown(c->client, SHUT_WR);
}

/* One more, whose client has reset it: it is left out. */
static void reset_one(int port)
{
	const struct linger now = { .l_onoff = 1 };
	int fd = xsocket(AF_INET, SOCK_STREAM, 0), before = waiting(listeners[0]);

	xconnect_loopback(fd, AF_INET, port);
	while (waiting(listeners[0]) == before)
		usleep(1000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void choose_by_chance(int l)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)SKF_AD_OFF + SKF_AD_RANDOM),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_fprog prog = { 3, code };

	if (setsockopt(l, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)))
		pfail("SO_ATTACH_REUSEPORT_CBPF");
}

static void listen_all(int ports[LISTENERS])
{
	for (int i = 0; i < LISTENERS; i++) {
		listeners[i] = xsocket(kinds[i].domain, SOCK_STREAM, 0);
		if (i >= LISTENERS - 4)
			set_int(listeners[i], SOL_SOCKET, SO_REUSEPORT, 1);
		set_int(listeners[i], SOL_SOCKET, SO_REUSEADDR, 1);
		set_int(listeners[i], SOL_SOCKET, SO_KEEPALIVE, 1);
		ports[i] = any_port(listeners[i], kinds[i].domain,
				    i == LISTENERS - 1 || i == LISTENERS - 3 ? ports[i - 1] : 0);
		xlisten(listeners[i], 100);
	}
}

/* Of one listening socket, in order. */
static void accept_all(int l)
{
	for (int i = 0; i < n_conns; i++) {
		struct conn *c = &conns[i];
		struct pollfd p = { .fd = listeners[l], .events = POLLIN };

		if (c->listener != l)
			continue;
		if (poll(&p, 1, 0) != 1)
			fail("listener %d: connection %d does not wait any more", l, i);
		c->server = xaccept(listeners[l]);
		if (peer_port(c->server) != c->port)
			fail("listener %d: port %d where %d should be", l, peer_port(c->server), c->port);
		if (get_int(c->server, SOL_SOCKET, SO_KEEPALIVE) != 1)
			fail("an option of the listening socket is missing");
	}
	if (waiting(listeners[l]))
		fail("listener %d: %d connections more than before", l, waiting(listeners[l]));
}

static void talk(const struct conn *c, unsigned int seed)
{
	expect_pattern(c->server, c->len, seed);
	if (c->eof) {
		expect_eof(c->server);
	} else {
		send_pattern(c->client, MORE, seed + 1);
		expect_pattern(c->server, MORE, seed + 1);
	}
	send_pattern(c->server, MORE, seed + 2);
	expect_pattern(c->client, MORE, seed + 2);
	/* The server's end does not stay in TIME-WAIT: mode running makes it once more. */
	close(c->client);
	expect_eof(c->server);
	close(c->server);
}

int main(int argc, char **argv)
{
	int ports[LISTENERS];

	test_init(argc, argv);
	listen_all(ports);
	choose_by_chance(listeners[LISTENERS - 1]);
	for (int i = 0; i < EACH; i++)
		for (int l = 0; l < LISTENERS; l++)
			connect_one(l, ports[l], i);
	for (int i = 0; i < n_conns; i++)
		settle(&conns[i]);
	reset_one(ports[0]);
	test_daemon();
	test_waitsig();
	for (int l = 0; l < LISTENERS; l++)
		accept_all(l);
	for (int i = 0; i < n_conns; i++)
		talk(&conns[i], i + 1);
	pass();
}
