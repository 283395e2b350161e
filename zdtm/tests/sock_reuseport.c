/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups of SO_REUSEPORT, UDP and TCP, IPv4 and IPv6, with a classic BPF program that chooses by the number a
 * packet or its sender has: the same sockets are chosen, also where one of the group has left it before, and
 * datagrams that waited at one of a group, with a program or without, wait there again. A program that was
 * attached before anybody listened is there when they do.
 */
#include "sockets.h"

#include <linux/filter.h>
#include <poll.h>

#define MEMBERS 5 /* as they are bound; the second leaves */
#define GROUPS 5

enum { UDP4, UDP6, TCP4, TCP6, PLAIN };

static struct group {
	int domain, type, port, fds[MEMBERS], order[MEMBERS];
} groups[GROUPS] = {
	[UDP4] = { AF_INET, SOCK_DGRAM },  [UDP6] = { AF_INET6, SOCK_DGRAM },
	[TCP4] = { AF_INET, SOCK_STREAM }, [TCP6] = { AF_INET6, SOCK_STREAM },
	[PLAIN] = { AF_INET, SOCK_DGRAM },
};
static int late[3], late_port, senders[MEMBERS];

/* The first byte of a datagram; of TCP the last digits of the client's port. */
static void attach(int fd, int domain, int type)
{
	struct sock_filter udp[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_filter tcp[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (unsigned int)SKF_NET_OFF + (domain == AF_INET ? 20 : 40)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 10),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { 2, udp };

	if (type == SOCK_STREAM)
		prog = (struct sock_fprog){ 3, tcp };
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)))
		pfail("SO_ATTACH_REUSEPORT_CBPF");
}

static int make(int domain, int type, int port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domain, port);
	int fd = xsocket(domain, type, 0);

	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (bind(fd, (struct sockaddr *)&a, len))
		pfail("bind to port %d", port);
	return fd;
}

static void make_group(struct group *g)
{
	const int type = g->type;
	int own[MEMBERS];

	for (int i = 0; i < MEMBERS; i++) {
		own[i] = make(g->domain, type, g->port);
		g->port = local_port(own[i]);
		if (type == SOCK_STREAM)
			xlisten(own[i], 50);
	}
	/* The last takes its place. */
	close(own[1]);
	for (int i = 0; i < MEMBERS; i++)
		g->fds[i] = own[i];
	g->fds[1] = own[MEMBERS - 1];
	g->fds[MEMBERS - 1] = -1;
	if (g != &groups[PLAIN])
		attach(g->fds[2], g->domain, type);
}

static int arrived(const struct group *g)
{
	struct pollfd p[MEMBERS];

	for (int i = 0; i < MEMBERS; i++)
		p[i] = (struct pollfd){ .fd = g->fds[i], .events = POLLIN };
	if (poll(p, MEMBERS, -1) <= 0)
		pfail("poll");
	for (int i = 0; i < MEMBERS; i++)
		if (p[i].revents)
			return i;
	return -1;
}

static void send_number(const struct group *g, int number)
{
	const char text[2] = { (char)number, 0 };
	int fd = xsocket(g->domain, g->type, 0);

	xconnect_loopback(fd, g->domain, g->port);
	if (send(fd, text, 1, 0) != 1)
		pfail("send");
	close(fd);
}

/* From a port that ends in the number. */
static void connect_number(const struct group *g, int number)
{
	int fd = -1;

	for (int port = 20000 + number; fd < 0 && port < 30000; port += 10) {
		struct sockaddr_storage a;
		socklen_t len = loopback(&a, g->domain, port);

		fd = xsocket(g->domain, g->type, 0);
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		len = bind(fd, (struct sockaddr *)&a, len) ? 0 : loopback(&a, g->domain, g->port);
		if (len && connect(fd, (struct sockaddr *)&a, len) == 0)
			break;
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		fail("no port that ends in %d", number);
	close(fd);
}

static void check_group(const struct group *g, int members)
{
	for (int i = 0; i < members; i++) {
		int at;

		if (g->type == SOCK_STREAM)
			connect_number(g, i);
		else
			send_number(g, i);
		at = arrived(g);
		if (at != i)
			fail("port %d: number %d is for socket %d", g->port, i, at);
		if (g->type == SOCK_STREAM)
			close(xaccept(g->fds[i]));
		else
			expect_recv(g->fds[i], (const char[]){ (char)i, 0 });
	}
}

/* Nobody tells where the kernel puts them. */
static int queued_at(const struct group *g)
{
	for (int i = 0; i < 1000; i++) {
		struct pollfd p = { .fd = g->fds[i % (MEMBERS - 1)], .events = POLLIN };
		char c;

		if (poll(&p, 1, 0) == 1 && recv(p.fd, &c, 1, MSG_PEEK) == 1 && c == 'x')
			return i % (MEMBERS - 1);
		usleep(i < MEMBERS ? 0 : 1000);
	}
	fail("a datagram is nowhere");
}

/* As many as make it likely that another random choice is another one. */
static void fill_plain(int at[MEMBERS])
{
	const struct group *g = &groups[PLAIN];

	for (int i = 0; i < MEMBERS; i++) {
		char c;

		senders[i] = xsocket(AF_INET, SOCK_DGRAM, 0);
		xconnect_loopback(senders[i], AF_INET, g->port);
		xsend(senders[i], "x");
		at[i] = queued_at(g);
		if (recv(g->fds[at[i]], &c, 1, 0) != 1)
			pfail("recv");
	}
	for (int i = 0; i < MEMBERS; i++) {
		const unsigned int before = queue_memory(g->fds[at[i]]);

		xsend(senders[i], (const char[]){ (char)('a' + i), 0 });
		await_queued(g->fds[at[i]], before);
	}
}

static void check_plain(const int at[MEMBERS])
{
	const struct group *g = &groups[PLAIN];

	for (int i = 0; i < MEMBERS; i++)
		expect_recv(g->fds[at[i]], (const char[]){ (char)('a' + i), 0 });
	for (int i = 0; i < MEMBERS - 1; i++)
		expect_empty(g->fds[i]);
}

int main(int argc, char **argv)
{
	struct group listening = { .domain = AF_INET, .type = SOCK_STREAM };
	int at[MEMBERS];

	test_init(argc, argv);
	for (int i = 0; i < GROUPS; i++)
		make_group(&groups[i]);
	for (int i = 0; i < PLAIN; i++)
		check_group(&groups[i], MEMBERS - 1);
	late[0] = make(AF_INET, SOCK_STREAM, 0);
	late_port = local_port(late[0]);
	attach(late[0], AF_INET, SOCK_STREAM);
	fill_plain(at);
	for (int i = 0; i < MEMBERS - 1; i++) {
		send_number(&groups[UDP4], i);
		send_number(&groups[UDP6], i);
		await_queued(groups[UDP4].fds[i], 0);
		await_queued(groups[UDP6].fds[i], 0);
	}
	test_daemon();
	test_waitsig();
	check_plain(at);
	for (int i = 0; i < MEMBERS - 1; i++) {
		expect_recv(groups[UDP4].fds[i], (const char[]){ (char)i, 0 });
		expect_recv(groups[UDP6].fds[i], (const char[]){ (char)i, 0 });
	}
	for (int i = 0; i < PLAIN; i++)
		check_group(&groups[i], MEMBERS - 1);
	listening.port = late_port;
	for (int i = 0; i < MEMBERS; i++)
		listening.fds[i] = -1;
	for (int i = 0; i < 3; i++) {
		listening.fds[i] = i ? make(AF_INET, SOCK_STREAM, late_port) : late[0];
		xlisten(listening.fds[i], 50);
	}
	check_group(&listening, 3);
	pass();
}
