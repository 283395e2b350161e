/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * What was agreed on for a TCP connection (window scaling, SACK, timestamps, segment size) and what its
 * ends have set, over IPv4 and IPv6; data held back by TCP_CORK; sizes of buffers, locked and not.
 */
#include "sockets.h"

#include "netstate.h"

#define TCP_INQ_ 36

struct opt {
	int level, name, value;
};

static const struct opt both[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, 1 },    { IPPROTO_TCP, TCP_KEEPIDLE, 700 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 70 }, { IPPROTO_TCP, TCP_KEEPCNT, 3 },
	{ IPPROTO_TCP, TCP_NODELAY, 1 },    { IPPROTO_TCP, TCP_USER_TIMEOUT, 900000 },
	{ IPPROTO_TCP, TCP_LINGER2, 17 },   { IPPROTO_TCP, TCP_NOTSENT_LOWAT, 50000 },
	{ IPPROTO_TCP, TCP_SYNCNT, 5 },	    { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1 },
	{ IPPROTO_TCP, TCP_INQ_, 1 },	    { IPPROTO_TCP, TCP_SAVE_SYN, 1 },
	{ IPPROTO_TCP, TCP_CORK, 0 },	    { SOL_SOCKET, SO_PRIORITY, 5 },
	{ SOL_SOCKET, SO_MARK, 77 },	    { SOL_SOCKET, SO_OOBINLINE, 1 },
	{ SOL_SOCKET, SO_RCVLOWAT, 3 },	    { SOL_SOCKET, SO_MAX_PACING_RATE, 1000000000 },
	{ SOL_SOCKET, SO_REUSEPORT, 1 },    { SOL_SOCKET, SO_DONTROUTE, 1 },
};
static const struct opt v4[] = {
	{ IPPROTO_IP, IP_TOS, 0x10 },	    { IPPROTO_IP, IP_TTL, 33 },	    { IPPROTO_IP, IP_RECVTOS, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 0 }, { IPPROTO_IP, IP_FREEBIND, 1 }, { IPPROTO_IP, IP_MINTTL, 3 },
};
static const struct opt v6[] = {
	{ IPPROTO_IPV6, IPV6_TCLASS, 0x28 },	 { IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44 },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0 }, { IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
};

static const char *const setup[] = { "ip link set lo up", "ip link set lo mtu 9000", NULL };

enum {
	PLAIN,
	SET,
	NO_TS,
	NO_SACK,
	NO_SCALE,
	LOW_MSS,
	SMALL,
	LARGE,
	CORKED,
	RENO,
	DEVICE,
	FASTOPEN,
	IP_OPTS,
	KINDS
};

struct end {
	int fd, opts[32], n_opts;
	int buf[3], mss, linger[2], ip_opts;
	unsigned char options, scale;
	unsigned int snd_mss;
	char cong[16], device[16];
};

static struct end ends[2][KINDS][2];

static void sysctl(int kind, int value)
{
	static const char *const names[KINDS] = {
		[NO_TS] = "tcp_timestamps", [NO_SACK] = "tcp_sack", [NO_SCALE] = "tcp_window_scaling"
	};
	char cmd[100];

	if (!names[kind])
		return;
	snprintf(cmd, sizeof(cmd), "echo %d > /proc/sys/net/ipv4/%s", value, names[kind]);
	if (system(cmd))
		fail("%s", cmd);
}

static void set_all(struct end *e, const struct opt *o, int n, int do_set)
{
	for (int i = 0; do_set && i < n; i++)
		set_int(e->fd, o[i].level, o[i].name, o[i].value);
	for (int i = 0; !do_set && i < n; i++)
		e->opts[e->n_opts++] = get_int(e->fd, o[i].level, o[i].name);
}

static void read_opts(struct end *e, int domain, int do_set)
{
	e->n_opts = 0;
	set_all(e, both, sizeof(both) / sizeof(*both), do_set);
	if (domain == AF_INET)
		set_all(e, v4, sizeof(v4) / sizeof(*v4), do_set);
	else
		set_all(e, v6, sizeof(v6) / sizeof(*v6), do_set);
}

static void read_end(struct end *e)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	e->options = info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
	e->scale = info.tcpi_snd_wscale << 4 | info.tcpi_rcv_wscale;
	e->snd_mss = info.tcpi_snd_mss;
	e->mss = get_int(e->fd, IPPROTO_TCP, TCP_MAXSEG);
	e->buf[0] = get_int(e->fd, SOL_SOCKET, 72 /* SO_BUF_LOCK */);
	e->buf[1] = get_int(e->fd, SOL_SOCKET, SO_SNDBUF);
	e->buf[2] = get_int(e->fd, SOL_SOCKET, SO_RCVBUF);
	len = sizeof(e->linger);
	getsockopt(e->fd, SOL_SOCKET, SO_LINGER, e->linger, &len);
	len = sizeof(e->ip_opts);
	e->ip_opts = 0;
	getsockopt(e->fd, IPPROTO_IP, IP_OPTIONS, &e->ip_opts, &len);
	len = sizeof(e->cong);
	getsockopt(e->fd, IPPROTO_TCP, TCP_CONGESTION, e->cong, &len);
	len = sizeof(e->device);
	getsockopt(e->fd, SOL_SOCKET, SO_BINDTODEVICE, e->device, &len);
}

static void before_connect(int kind, int fd)
{
	if (kind == LOW_MSS)
		set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 600);
	if (kind == SMALL) {
		set_int(fd, SOL_SOCKET, SO_SNDBUF, 5000);
		set_int(fd, SOL_SOCKET, SO_RCVBUF, 5000);
	}
	if (kind == LARGE) {
		set_int(fd, SOL_SOCKET, SO_SNDBUF, 150000);
		set_int(fd, SOL_SOCKET, SO_RCVBUF, 100000);
	}
	if (kind == FASTOPEN)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	if (kind == DEVICE && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3))
		pfail("SO_BINDTODEVICE");
}

static void after_connect(int kind, struct end *e)
{
	const int linger[2] = { 1, 23 };
	const unsigned char nops[4] = { 1, 1, 1, 0 };

	if (kind == SET)
		setsockopt(e->fd, SOL_SOCKET, SO_LINGER, linger, sizeof(linger));
	if (kind == RENO && setsockopt(e->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4))
		pfail("TCP_CONGESTION");
	if (kind == IP_OPTS && get_int(e->fd, SOL_SOCKET, SO_DOMAIN) == AF_INET &&
	    setsockopt(e->fd, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops)))
		pfail("IP_OPTIONS");
	if (kind == CORKED)
		set_int(e->fd, IPPROTO_TCP, TCP_CORK, 1);
}

static void make(int kind, int domain, struct end *pair)
{
	int l = xsocket(domain, SOCK_STREAM, 0), port = xbind_loopback(l, domain);

	sysctl(kind, 0);
	xlisten(l, 1);
	pair[0].fd = xsocket(domain, SOCK_STREAM, 0);
	before_connect(kind, pair[0].fd);
	xconnect_loopback(pair[0].fd, domain, port);
	pair[1].fd = xaccept(l);
	sysctl(kind, 1);
	for (int i = 0; i < 2; i++) {
		after_connect(kind, &pair[i]);
		xsend(pair[i].fd, "some");
		if (kind == SET)
			read_opts(&pair[i], domain, 1);
		read_opts(&pair[i], domain, 0);
		read_end(&pair[i]);
	}
	close(l);
}

static int check_end(const struct end *a, int domain, int kind)
{
	struct end b = *a;
	int bad = 0;

	read_opts(&b, domain, 0);
	read_end(&b);
	/* The kernel reserves room for timestamps when it makes the connection, if they are on then. */
	if (kind == NO_TS && b.mss == a->mss - TCPOLEN_TSTAMP_APPA) {
		b.mss = a->mss;
		b.snd_mss = a->snd_mss;
	}
	for (int i = 0; i < a->n_opts; i++)
		if (a->opts[i] != b.opts[i]) {
			test_msg("kind %d option row %d: %d, was %d\n", kind, i, b.opts[i], a->opts[i]);
			bad = 1;
		}
	if (a->options != b.options || a->scale != b.scale || a->mss != b.mss || a->snd_mss != b.snd_mss ||
	    memcmp(a->buf, b.buf, sizeof(a->buf)) || memcmp(a->linger, b.linger, sizeof(a->linger)) ||
	    a->ip_opts != b.ip_opts || strcmp(a->cong, b.cong) || strcmp(a->device, b.device))
		bad = 1;
	if (bad)
		test_msg("family %d kind %d: options %x scale %x mss %d %u buffers %d %d %d linger %d %d %s "
			 "'%s', "
			 "was %x %x %d %u, %d %d %d, %d %d %s '%s'\n",
			 domain, kind, b.options, b.scale, b.mss, b.snd_mss, b.buf[0], b.buf[1], b.buf[2],
			 b.linger[0], b.linger[1], b.cong, b.device, a->options, a->scale, a->mss, a->snd_mss,
			 a->buf[0], a->buf[1], a->buf[2], a->linger[0], a->linger[1], a->cong, a->device);
	return bad;
}

/* What is held back (the kernel does that for a moment only) comes when the cork is drawn, at the latest. */
static void check_cork(struct end *pair)
{
	set_int(pair[0].fd, IPPROTO_TCP, TCP_CORK, 0);
	expect_recv(pair[1].fd, "some");
}

int main(int argc, char **argv)
{
	static const int domains[] = { AF_INET, AF_INET6 };
	int bad = 0;

	test_init(argc, argv);
	net_setup(setup);
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < KINDS; k++)
			make(k, domains[d], ends[d][k]);
	test_daemon();
	test_waitsig();
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < KINDS; k++)
			for (int i = 0; i < 2; i++)
				bad |= check_end(&ends[d][k][i], domains[d], k);
	if (bad)
		fail("not what it was");
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < KINDS; k++) {
			if (k == CORKED) {
				check_cork(ends[d][k]);
				continue;
			}
			expect_recv(ends[d][k][1].fd, "some");
			expect_recv(ends[d][k][0].fd, "some");
			xsend(ends[d][k][0].fd, "more");
			expect_recv(ends[d][k][1].fd, "more");
		}
	pass();
}
