/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/*
 * Listening TCP sockets: both families by one socket or by two, addresses that are not ours
 * (IP_FREEBIND, IP_TRANSPARENT), TCP_FASTOPEN, TCP_DEFER_ACCEPT, bound to a link, groups of SO_REUSEPORT;
 * what accepted connections take over from them. A socket that does not listen yet keeps what was set.
 */
#include "sockets.h"

#include <poll.h>

#include "netstate.h"

enum { DUAL, ONLY6, ONLY4, FREE, TRANSPARENT, FASTOPEN, DEFER, DEVICE, PORT_A, PORT_B, PLAIN, KINDS };

struct opt {
	int level, name, value;
};

static const struct opt opts[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 700 },
	{ IPPROTO_TCP, TCP_FASTOPEN, 5 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 3 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, 1 },
	{ IPPROTO_TCP, TCP_NODELAY, 1 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 77 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 70000 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 40000 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ SOL_SOCKET, SO_MARK, 7 },
	{ SOL_SOCKET, SO_REUSEADDR, 1 },
	{ SOL_SOCKET, SO_REUSEPORT, 1 },
	{ SOL_SOCKET, SO_RCVBUF, 60000 },
	{ SOL_SOCKET, SO_INCOMING_CPU, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, 1 },
	{ IPPROTO_IP, IP_FREEBIND, 1 },
	{ IPPROTO_IP, IP_TTL, 9 },
	{ IPPROTO_IP, IP_TOS, 8 },
};
#define N_OPTS ((int)(sizeof(opts) / sizeof(*opts)))

static const char *const setup[] = { "ip link set lo up", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen", NULL };

static int fds[KINDS], before[KINDS][N_OPTS], fresh;

static void set(int fd, int name)
{
	for (int i = 0; i < N_OPTS; i++)
		if (opts[i].name == name)
			set_int(fd, opts[i].level, name, opts[i].value);
}

static void read_all(int fd, int values[N_OPTS])
{
	for (int i = 0; i < N_OPTS; i++) {
		socklen_t len = sizeof(values[i]);

		values[i] = -1;
		getsockopt(fd, opts[i].level, opts[i].name, &values[i], &len);
	}
}

static void bind_to(int fd, int domain, const char *text, int port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int ret;

	if (domain == AF_INET6) {
		inet_pton(AF_INET6, text, &a6.sin6_addr);
		ret = bind(fd, (struct sockaddr *)&a6, sizeof(a6));
	} else {
		inet_pton(AF_INET, text, &a4.sin_addr);
		ret = bind(fd, (struct sockaddr *)&a4, sizeof(a4));
	}
	if (ret)
		pfail("bind to %s port %d", text, port);
}

static void make(int kind, int domain, const char *text, int port)
{
	int fd = fds[kind] = xsocket(domain, SOCK_STREAM, 0);

	switch (kind) {
	case DUAL:
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
		break;
	case ONLY6:
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		break;
	case FREE:
		set(fd, IP_FREEBIND);
		break;
	case TRANSPARENT:
		set(fd, IP_TRANSPARENT);
		break;
	case DEVICE:
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
			pfail("SO_BINDTODEVICE");
		break;
	case PORT_A:
	case PORT_B:
		set(fd, SO_REUSEPORT);
		break;
	case PLAIN:
		for (int i = 5; i < N_OPTS; i++)
			if (opts[i].name != IP_TRANSPARENT && opts[i].name != SO_REUSEPORT)
				set_int(fd, opts[i].level, opts[i].name, opts[i].value);
		set(fd, TCP_MAXSEG);
		set(fd, TCP_SAVE_SYN);
		break;
	}
	bind_to(fd, domain, text, port);
	xlisten(fd, 7);
	if (kind == FASTOPEN)
		set(fd, TCP_FASTOPEN);
	if (kind == DEFER)
		set(fd, TCP_DEFER_ACCEPT);
}

static void check_connect(int kind, int domain, int port)
{
	int c = xsocket(domain, SOCK_STREAM, 0), s;

	xconnect_loopback(c, domain, port);
	xsend(c, "hello");
	s = xaccept(fds[kind]);
	expect_recv(s, "hello");
	if (kind == PLAIN &&
	    (!get_int(s, IPPROTO_TCP, TCP_NODELAY) || !get_int(s, SOL_SOCKET, SO_KEEPALIVE) ||
	     get_int(s, IPPROTO_TCP, TCP_KEEPIDLE) != 77 || get_int(c, IPPROTO_TCP, TCP_MAXSEG) > 700))
		fail("an accepted connection has not what the listener has; segments of %d",
		     get_int(c, IPPROTO_TCP, TCP_MAXSEG));
	close(s);
	close(c);
}

/* The kernel gives each to one of the group. */
static void check_group(int port)
{
	struct pollfd p[2] = { { .fd = fds[PORT_A], .events = POLLIN },
			       { .fd = fds[PORT_B], .events = POLLIN } };
	int seen[2] = { 0 };

	for (int i = 0; i < 200 && !(seen[0] && seen[1]); i++) {
		int c = xsocket(AF_INET, SOCK_STREAM, 0);

		xconnect_loopback(c, AF_INET, port);
		if (poll(p, 2, -1) <= 0)
			pfail("poll");
		for (int j = 0; j < 2; j++)
			if (p[j].revents) {
				seen[j] = 1;
				close(xaccept(p[j].fd));
			}
		close(c);
	}
	if (!seen[0] || !seen[1])
		fail("one of the group gets nothing");
}

int main(int argc, char **argv)
{
	int now[N_OPTS], bad = 0;

	test_init(argc, argv);
	net_setup(setup);
	make(DUAL, AF_INET6, "::", 8000);
	make(ONLY6, AF_INET6, "::", 8001);
	make(ONLY4, AF_INET, "0.0.0.0", 8001);
	make(FREE, AF_INET, "10.9.8.7", 8002);
	make(TRANSPARENT, AF_INET, "10.9.8.8", 8002);
	make(FASTOPEN, AF_INET, "0.0.0.0", 8003);
	make(DEFER, AF_INET, "0.0.0.0", 8004);
	make(DEVICE, AF_INET, "0.0.0.0", 8005);
	make(PORT_A, AF_INET, "0.0.0.0", 8006);
	make(PORT_B, AF_INET, "0.0.0.0", 8006);
	make(PLAIN, AF_INET, "0.0.0.0", 8007);
	fresh = xsocket(AF_INET, SOCK_STREAM, 0);
	set(fresh, TCP_MAXSEG);
	for (int k = 0; k < KINDS; k++)
		read_all(fds[k], before[k]);
	test_daemon();
	test_waitsig();
	for (int k = 0; k < KINDS; k++) {
		read_all(fds[k], now);
		for (int i = 0; i < N_OPTS; i++)
			if (now[i] != before[k][i]) {
				test_msg("listener %d option %d/%d: %d, was %d\n", k, opts[i].level,
					 opts[i].name, now[i], before[k][i]);
				bad = 1;
			}
	}
	if (bad || get_int(fresh, IPPROTO_TCP, TCP_MAXSEG) != 700)
		fail("options are not what they were");
	check_connect(DUAL, AF_INET, 8000);
	check_connect(DUAL, AF_INET6, 8000);
	check_connect(ONLY6, AF_INET6, 8001);
	check_connect(ONLY4, AF_INET, 8001);
	check_connect(FASTOPEN, AF_INET, 8003);
	check_connect(DEFER, AF_INET, 8004);
	check_connect(DEVICE, AF_INET, 8005);
	check_connect(PLAIN, AF_INET, 8007);
	check_group(8006);
	net_setup((const char *const[]){ "ip addr add 10.9.8.7/32 dev lo", NULL });
	close(fresh);
	fresh = xsocket(AF_INET, SOCK_STREAM, 0);
	{
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(8002) };

		inet_pton(AF_INET, "10.9.8.7", &a.sin_addr);
		if (connect(fresh, (struct sockaddr *)&a, sizeof(a)))
			pfail("connect to the address that came later");
	}
	close(xaccept(fds[FREE]));
	pass();
}
