/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* timeout: 40 */
/*
 * Connections being made while a filter drops SYNs: non-blocking ones (polled, and in an epoll set
 * that is edge-triggered) and one inside connect(2), IPv4, IPv6, and IPv4 in an IPv6 socket. Restored
 * they go on with the same ports and initial sequence numbers; when the filter goes, they are made.
 * One is refused then.
 */
#include "sockets.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "netstate.h"

enum { V4, V6, MAPPED, BLOCKING, REFUSED, N };

static const char *const setup[] = {
	"ip link set lo up",
	"nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; };"
	"add rule inet wall in tcp flags & (syn | ack) == syn drop'",
	NULL,
};

static const char *const away[] = { "nft delete table inet wall", NULL };

static int listener[N], conn[N], port[N], local[N];
static uint32_t isn[N];

static socklen_t server_addr(int i, struct sockaddr_storage *a)
{
	socklen_t len = loopback(a, i == V6 || i == MAPPED ? AF_INET6 : AF_INET, port[i]);

	if (i == MAPPED)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &((struct sockaddr_in6 *)a)->sin6_addr);
	return len;
}

static uint32_t read_isn(int fd)
{
	uint32_t seq;
	socklen_t len = sizeof(seq);

	set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len))
		pfail("TCP_QUEUE_SEQ");
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, -1);
	return seq - 1;
}

static void *connect_blocking(void *arg)
{
	struct sockaddr_storage a;
	socklen_t len = server_addr(BLOCKING, &a);

	return (void *)(long)(connect(conn[BLOCKING], (struct sockaddr *)&a, len) ? errno : 0);
}

static void make(int i)
{
	int domain = i == V6 ? AF_INET6 : AF_INET;
	struct sockaddr_storage a;
	socklen_t len;

	listener[i] = xsocket(domain, SOCK_STREAM, 0);
	port[i] = xbind_loopback(listener[i], domain);
	set_int(listener[i], IPPROTO_TCP, TCP_SAVE_SYN, 1);
	xlisten(listener[i], 1);
	conn[i] = xsocket(i == MAPPED ? AF_INET6 : domain, SOCK_STREAM | (i == BLOCKING ? 0 : SOCK_NONBLOCK),
			  0);
	set_int(conn[i], IPPROTO_TCP, TCP_MAXSEG, 700 + i);
	set_int(conn[i], SOL_SOCKET, SO_KEEPALIVE, 1);
	len = server_addr(i, &a);
	if (i != BLOCKING && (connect(conn[i], (struct sockaddr *)&a, len) == 0 || errno != EINPROGRESS))
		pfail("connect %d", i);
}

/* The SYN that made the connection is the one of before. */
static void check_syn(int i, int server)
{
	unsigned char syn[256];
	socklen_t len = sizeof(syn);
	struct tcphdr h;
	int at = i == V6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (getsockopt(server, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len) || len < at + sizeof(h))
		pfail("TCP_SAVED_SYN of %d", i);
	memcpy(&h, syn + at, sizeof(h));
	if (ntohl(h.seq) != isn[i] || ntohs(h.source) != local[i])
		fail("connection %d: SYN %u from port %d, was %u from %d", i, ntohl(h.seq), ntohs(h.source),
		     isn[i], local[i]);
	at += sizeof(h);
	if (syn[at] != TCPOPT_MAXSEG || syn[at + 2] << 8 != (700 + i) / 256 << 8 ||
	    syn[at + 3] != (700 + i) % 256)
		fail("connection %d: another maximum segment size in the SYN", i);
}

static void check_made(int i)
{
	struct pollfd p = { .fd = conn[i], .events = POLLOUT };
	int server;

	if (poll(&p, 1, -1) != 1 || p.revents != POLLOUT)
		fail("connection %d: events %x", i, p.revents);
	if (get_int(conn[i], SOL_SOCKET, SO_ERROR))
		fail("connection %d: an error", i);
	server = xaccept(listener[i]);
	check_syn(i, server);
	xsend(server, "hello");
	p.events = POLLIN;
	poll(&p, 1, -1);
	expect_recv(conn[i], "hello");
	if (!get_int(conn[i], SOL_SOCKET, SO_KEEPALIVE) || get_int(conn[i], SOL_SOCKET, SO_REUSEADDR))
		fail("connection %d: options", i);
}

int main(int argc, char **argv)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLIN | EPOLLET, .data.u32 = 7 }, got[2];
	struct pollfd p = { .events = POLLOUT };
	pthread_t thread;
	void *ret;
	int ep;

	test_init(argc, argv);
	net_setup(setup);
	ep = epoll_create1(0);
	for (int i = 0; i < N; i++)
		make(i);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, conn[V4], &ev))
		pfail("epoll_ctl");
	if (pthread_create(&thread, NULL, connect_blocking, NULL))
		fail("pthread_create");
	while (tcp_state(conn[BLOCKING]) != TCP_SYN_SENT)
		usleep(1000);
	for (int i = 0; i < N; i++) {
		local[i] = local_port(conn[i]);
		isn[i] = i == BLOCKING ? 0 : read_isn(conn[i]);
	}
	test_daemon();
	test_waitsig();
	for (int i = 0; i < N; i++) {
		if (tcp_state(conn[i]) != TCP_SYN_SENT || local_port(conn[i]) != local[i])
			fail("connection %d: state %d, port %d, was %d", i, tcp_state(conn[i]),
			     local_port(conn[i]), local[i]);
		if (i != BLOCKING && read_isn(conn[i]) != isn[i])
			fail("connection %d: number %u, was %u", i, read_isn(conn[i]), isn[i]);
	}
	if (epoll_wait(ep, got, 2, 0))
		fail("epoll: events %x before there is an answer", got[0].events);
	close(listener[REFUSED]);
	net_setup(away);
	if (epoll_wait(ep, got, 2, -1) != 1 || got[0].data.u32 != 7 || got[0].events != EPOLLOUT)
		fail("epoll: events %x", got[0].events);
	check_made(V4);
	check_made(V6);
	check_made(MAPPED);
	if (pthread_join(thread, &ret) || ret)
		fail("connect(2): %s", strerror((long)ret));
	xsend(conn[BLOCKING], "x");
	expect_recv(xaccept(listener[BLOCKING]), "x");
	p.fd = conn[REFUSED];
	if (poll(&p, 1, -1) != 1 || get_int(p.fd, SOL_SOCKET, SO_ERROR) != ECONNREFUSED)
		fail("not refused, events %x", p.revents);
	pass();
}
