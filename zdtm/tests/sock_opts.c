/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of sockets of several kinds, set and unset, are what they were. */
#include "sockets.h"

#include <linux/filter.h>
#include <sys/time.h>

struct opt {
	int level, name, value;
};

static const struct opt common[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1 },     { SOL_SOCKET, SO_KEEPALIVE, 1 },  { SOL_SOCKET, SO_PRIORITY, 5 },
	{ SOL_SOCKET, SO_SNDBUF, 50000 },    { SOL_SOCKET, SO_RCVBUF, 60000 }, { SOL_SOCKET, SO_OOBINLINE, 1 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 1 },   { SOL_SOCKET, SO_RCVLOWAT, 3 },   { SOL_SOCKET, SO_RXQ_OVFL, 1 },
};
static const struct opt tcp[] = {
	{ IPPROTO_TCP, TCP_NODELAY, 1 },   { IPPROTO_TCP, TCP_KEEPIDLE, 77 },	   { IPPROTO_TCP, TCP_KEEPINTVL, 7 },
	{ IPPROTO_TCP, TCP_KEEPCNT, 3 },   { IPPROTO_TCP, TCP_USER_TIMEOUT, 9000 }, { IPPROTO_TCP, TCP_LINGER2, 11 },
	{ IPPROTO_IP, IP_TOS, 0x10 },	   { IPPROTO_IP, IP_TTL, 33 },		   { IPPROTO_TCP, TCP_DEFER_ACCEPT, 1 },
	{ IPPROTO_TCP, TCP_SYNCNT, 4 },
};
static const struct opt udp[] = {
	{ SOL_SOCKET, SO_BROADCAST, 1 },     { IPPROTO_IP, IP_PKTINFO, 1 },	    { IPPROTO_IP, IP_RECVTTL, 1 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 9 }, { IPPROTO_IP, IP_MULTICAST_LOOP, 0 },  { IPPROTO_IP, IP_FREEBIND, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 2 },  { IPPROTO_IP, IP_RECVERR, 1 },
};
static const struct opt udp6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1 },	   { IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 12 },   { IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 13 },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0x20 },	   { IPPROTO_IPV6, IPV6_DONTFRAG, 1 },
};

static struct {
	int domain, type;
	const struct opt *opts;
	int n, fd, now[16], common[16], lock;
} socks[] = {
	{ .domain = AF_INET, .type = SOCK_STREAM, .opts = tcp, .n = 10 },
	{ .domain = AF_INET, .type = SOCK_DGRAM, .opts = udp, .n = 8 },
	{ .domain = AF_INET6, .type = SOCK_DGRAM, .opts = udp6, .n = 6 },
	{ .domain = AF_UNIX, .type = SOCK_STREAM, .opts = NULL, .n = 0 },
	{ .domain = AF_INET, .type = SOCK_STREAM, .opts = NULL, .n = 0 },
};
#define N_SOCKS 5
#define N_COMMON 9

int main(int argc, char **argv)
{
	struct linger linger = { 1, 23 }, l;
	struct timeval tv = { 12, 340000 }, t;
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0xffff } }, back[4];
	struct sock_fprog prog = { 1, code };
	socklen_t len = sizeof(l), tlen = sizeof(t), n = 4;

	test_init(argc, argv);
	for (int i = 0; i < N_SOCKS; i++) {
		socks[i].fd = xsocket(socks[i].domain, socks[i].type, 0);
		for (int j = 0; j < socks[i].n; j++) {
			set_int(socks[i].fd, socks[i].opts[j].level, socks[i].opts[j].name, socks[i].opts[j].value);
			socks[i].now[j] = get_int(socks[i].fd, socks[i].opts[j].level, socks[i].opts[j].name);
		}
		for (int j = 0; j < N_COMMON; j++) {
			if (i != N_SOCKS - 1)
				set_int(socks[i].fd, SOL_SOCKET, common[j].name, common[j].value);
			socks[i].common[j] = get_int(socks[i].fd, SOL_SOCKET, common[j].name);
		}
		socks[i].lock = get_int(socks[i].fd, SOL_SOCKET, 72 /* SO_BUF_LOCK */);
	}
	setsockopt(socks[0].fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(socks[1].fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (setsockopt(socks[1].fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		pfail("filter");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < N_SOCKS; i++) {
		for (int j = 0; j < socks[i].n; j++) {
			int now = get_int(socks[i].fd, socks[i].opts[j].level, socks[i].opts[j].name);

			if (now != socks[i].now[j])
				fail("socket %d option %d/%d is %d, was %d", i, socks[i].opts[j].level,
				     socks[i].opts[j].name, now, socks[i].now[j]);
		}
		for (int j = 0; j < N_COMMON; j++)
			if (get_int(socks[i].fd, SOL_SOCKET, common[j].name) != socks[i].common[j])
				fail("socket %d option %d is %d, was %d", i, common[j].name,
				     get_int(socks[i].fd, SOL_SOCKET, common[j].name), socks[i].common[j]);
		if (get_int(socks[i].fd, SOL_SOCKET, 72) != socks[i].lock)
			fail("socket %d: buffer lock %d, was %d", i, get_int(socks[i].fd, SOL_SOCKET, 72), socks[i].lock);
	}
	if (getsockopt(socks[0].fd, SOL_SOCKET, SO_LINGER, &l, &len) || l.l_onoff != 1 || l.l_linger != 23)
		fail("SO_LINGER %d %d", l.l_onoff, l.l_linger);
	if (getsockopt(socks[1].fd, SOL_SOCKET, SO_RCVTIMEO, &t, &tlen) || t.tv_sec != 12 || t.tv_usec != 340000)
		fail("SO_RCVTIMEO %ld.%ld", (long)t.tv_sec, (long)t.tv_usec);
	if (getsockopt(socks[1].fd, SOL_SOCKET, SO_GET_FILTER, back, &n) || n != 1 || memcmp(back, code, sizeof(code)))
		fail("filter of %u instructions", n);
	pass();
}
