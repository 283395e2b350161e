/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* timeout: 40 */
/*
 * TCP connections without a descriptor are what they were: TIME-WAIT (IPv4, IPv6, IPv4 in IPv6
 * sockets, a thousand of them), FIN-WAIT-2, FIN-WAIT-1, CLOSING, LAST-ACK; options of the address too.
 * A FIN that comes again to TIME-WAIT is acknowledged, not reset; the others come to their end when the
 * network lets them.
 */
#include "sockets.h"

#include <linux/ip.h>
#include <poll.h>

#include "netstate.h"

#define MANY 1000
#define BLOCKED 7777 /* what comes from this port is dropped */

static const char *const setup[] = {
	"ip link set lo up",
	"nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; };"
	"add rule inet wall in tcp sport 7777 drop'",
	NULL,
};
static const char *const away[] = { "nft delete table inet wall", NULL };
static const char *const states[] = {
	"ss -Hant | awk '$1 != \"LISTEN\" { print $1, $4, $5 }' | sort",
	NULL,
};

static int listen_on(int domain, int port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domain, port);
	int fd = xsocket(domain, SOCK_STREAM, 0);

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&a, len))
		pfail("bind");
	xlisten(fd, 5);
	return fd;
}

static void wait_state(int fd, int state)
{
	while (tcp_state(fd) != state)
		usleep(1000);
}

/* Both ends of a new connection. */
static void pair(int l, int domain, int port, int *client, int *server)
{
	*client = xsocket(domain, SOCK_STREAM, 0);
	xconnect_loopback(*client, domain, port);
	*server = xaccept(l);
}

/* The one that closes first has the state. */
static void make_time_wait(int l, int domain, int port)
{
	int client, server;

	pair(l, domain, port, &client, &server);
	close(client);
	expect_eof(server);
	close(server);
}

static int make_fin_wait2(int l, int port)
{
	int client, server;

	pair(l, AF_INET, port, &client, &server);
	close(client);
	expect_eof(server);
	return server;
}

/* The server's packets do not arrive: CLOSING at the server, FIN-WAIT-1 at the client. */
static void make_closing(int client, int server)
{
	shutdown(server, SHUT_WR);
	shutdown(client, SHUT_WR);
	wait_state(server, TCP_CLOSING);
	close(server);
	close(client);
}

static void make_last_ack(int client, int server)
{
	close(client);
	wait_state(server, TCP_CLOSE_WAIT);
	close(server);
}

struct segment {
	struct iphdr ip;
	struct tcphdr tcp;
	char options[40];
};

/* What comes by the loopback device has no checksum yet. */
static void put_checksum(struct segment *s, size_t len)
{
	uint32_t addrs[2] = { s->ip.saddr, s->ip.daddr }, sum = IPPROTO_TCP + len - sizeof(s->ip);
	const uint8_t *p = (void *)&s->tcp;

	s->tcp.check = 0;
	for (size_t i = 0; i < len - sizeof(s->ip); i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	for (size_t i = 0; i < sizeof(addrs); i++)
		sum += i % 2 ? ((uint8_t *)addrs)[i] : ((uint8_t *)addrs)[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	s->tcp.check = htons(~sum & 0xffff);
}

/* The last FIN that came to TIME-WAIT, as it was on the wire. */
static size_t catch_fin(int raw, int port, struct segment *ret)
{
	struct segment s;
	ssize_t n;
	size_t len = 0;

	while ((n = recv(raw, &s, sizeof(s), MSG_DONTWAIT)) > 0) {
		if (ntohs(s.tcp.source) != port || !s.tcp.fin)
			continue;
		*ret = s;
		len = n;
	}
	if (!len)
		fail("no FIN was seen");
	put_checksum(ret, len);
	return len;
}

/* After two bytes of padding: kind, length, value, echo. The clock has gone on. */
static void check_timestamps(const struct segment *fin, const struct segment *answer)
{
	uint32_t was[2], is[2];

	if (fin->options[2] != TCPOPT_TIMESTAMP || answer->options[2] != TCPOPT_TIMESTAMP)
		fail("timestamps: options %d and %d", fin->options[2], answer->options[2]);
	memcpy(was, fin->options + 4, sizeof(was));
	memcpy(is, answer->options + 4, sizeof(is));
	if (is[1] != was[0] || ntohl(is[0]) - ntohl(was[1]) > 100000)
		fail("timestamps: %u echoed as %u, own %u, was %u", ntohl(was[0]), ntohl(is[1]), ntohl(is[0]),
		     ntohl(was[1]));
}

/* It is sent again: what comes back? */
static void check_fin_again(const struct segment *fin, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = fin->ip.daddr };
	int raw = xsocket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	struct pollfd p = { .fd = raw, .events = POLLIN };
	struct segment s;

	if (sendto(raw, &fin->tcp, len - sizeof(fin->ip), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		pfail("send the FIN again");
	while (poll(&p, 1, 10000) == 1 && recv(raw, &s, sizeof(s), 0) > 0) {
		if (s.tcp.source != fin->tcp.dest || s.tcp.dest != fin->tcp.source)
			continue;
		if (s.tcp.rst || !s.tcp.ack || ntohl(s.tcp.ack_seq) != ntohl(fin->tcp.seq) + 1 ||
		    s.tcp.seq != fin->tcp.ack_seq)
			fail("the answer to a FIN that comes again: %s, seq %u ack %u, wanted %u %u",
			     s.tcp.rst ? "RST" : "no RST", ntohl(s.tcp.seq), ntohl(s.tcp.ack_seq),
			     ntohl(fin->tcp.ack_seq), ntohl(fin->tcp.seq) + 1);
		check_timestamps(fin, &s);
		return;
	}
	fail("no answer to a FIN that comes again");
}

static int n_in(const char *state)
{
	char cmd[100];
	int n;
	FILE *p;

	snprintf(cmd, sizeof(cmd), "ss -Hant state %s | wc -l", state);
	p = popen(cmd, "r");
	if (!p || fscanf(p, "%d", &n) != 1)
		fail("%s", cmd);
	pclose(p);
	return n;
}

int main(int argc, char **argv)
{
	int l4, l6, blocked, raw, client, server, waits, c[2], s[2], fd;
	char *before, *after;
	struct segment fin;
	size_t len;

	test_init(argc, argv);
	net_setup(setup);
	l4 = listen_on(AF_INET, 8004);
	l6 = listen_on(AF_INET6, 8006);
	blocked = listen_on(AF_INET, BLOCKED);
	raw = xsocket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	make_time_wait(l4, AF_INET, 8004);
	len = catch_fin(raw, 8004, &fin);
	close(raw);
	for (int i = 0; i < MANY; i++)
		make_time_wait(i % 2 ? l4 : l6, i % 2 ? AF_INET : AF_INET6, i % 2 ? 8004 : 8006);
	waits = make_fin_wait2(l4, 8004);
	/* One that reaches TIME-WAIT at the server, whose address may be reused. */
	pair(l4, AF_INET, 8004, &client, &server);
	close(server);
	expect_eof(client);
	close(client);
	/* The table of the filter is empty until these are connected. */
	net_setup((const char *const[]){ "nft flush chain inet wall in", NULL });
	for (int i = 0; i < 2; i++)
		pair(blocked, AF_INET, BLOCKED, &c[i], &s[i]);
	net_setup((const char *const[]){ "nft add rule inet wall in tcp sport 7777 drop", NULL });
	make_last_ack(c[0], s[0]);
	make_closing(c[1], s[1]);
	while (n_in("time-wait") != MANY + 2 || n_in("fin-wait-2") != 1 || n_in("closing") != 1 ||
	       n_in("last-ack") != 1)
		usleep(20000);
	before = net_state(states);
	test_daemon();
	test_waitsig();
	after = net_state(states);
	if (strcmp(before, after)) {
		test_msg("before %s\nafter %s", before, after);
		fail("states differ");
	}
	check_fin_again(&fin, len);
	/* The port is taken, but for those who share it. */
	fd = xsocket(AF_INET, SOCK_STREAM, 0);
	close(l4);
	close(listen_on(AF_INET, 8004));
	net_setup(away);
	while (n_in("last-ack") || n_in("closing") || n_in("fin-wait-1"))
		usleep(20000);
	close(waits);
	while (n_in("fin-wait-2"))
		usleep(20000);
	close(fd);
	pass();
}
