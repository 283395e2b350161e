/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* modes: ns userns running twice */
/* warn: the headers of its first segment (TCP_SAVED_SYN */
/*
 * Listening sockets with TCP_FASTOPEN, IPv4 and IPv6, the namespace's key and one of their own: connections
 * whose data came with the SYN, and others, wait to be accepted and are. A peer that has a cookie of before
 * is served with the data of its SYN, before it says anything more. Peers that ask for a cookie and say no
 * more are no obstacle.
 */
#include "sockets.h"

#include <net/if.h>
#include <netinet/ip.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "netstate.h"

#define LISTENERS 3
#define EACH 3
#define PEER "10.9.9.9" /* nobody: what is sent there gets lost */

static const char *const setup[] = { "ip link set lo up", "ip route add " PEER " dev lo",
				     "echo 3 > /proc/sys/net/ipv4/tcp_fastopen", NULL };
static const int domains[LISTENERS] = { AF_INET, AF_INET6, AF_INET };

static struct conn {
	int client, listener, number;
} conns[LISTENERS * EACH + 1];
static int listeners[LISTENERS], ports[LISTENERS], packets, n_conns;

static unsigned int sum(const void *data, size_t len, unsigned int s)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* A SYN of the peer, with or without a cookie and data. */
static void send_syn(int sport, int dport, const unsigned char cookie[8], const char *data)
{
	struct {
		unsigned int src, dst;
		unsigned short protocol, len;
		struct tcphdr tcp;
		unsigned char options[12];
		char data[16];
	} s = { .dst = htonl(INADDR_LOOPBACK), .protocol = htons(IPPROTO_TCP) };
	struct {
		struct iphdr ip;
		char rest[64];
	} packet = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP } };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	size_t len = sizeof(s.tcp) + sizeof(s.options) + strlen(data);
	int raw = xsocket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	inet_pton(AF_INET, PEER, &s.src);
	s.len = htons(len);
	s.tcp.source = htons(sport);
	s.tcp.dest = htons(dport);
	s.tcp.seq = htonl(1000);
	s.tcp.syn = 1;
	s.tcp.doff = (sizeof(s.tcp) + sizeof(s.options)) / 4;
	s.tcp.window = htons(1000);
	memset(s.options, 1 /* no operation */, sizeof(s.options));
	s.options[0] = 34;
	s.options[1] = cookie ? 10 : 2;
	if (cookie)
		memcpy(s.options + 2, cookie, 8);
	memcpy(s.data, data, strlen(data));
	s.tcp.check = htons(~sum(&s, 12 + len, 0) & 0xffff);
	packet.ip.saddr = s.src;
	packet.ip.daddr = s.dst;
	packet.ip.tot_len = htons(sizeof(packet.ip) + len);
	memcpy(packet.rest, &s.tcp, len);
	if (sendto(raw, &packet, sizeof(packet.ip) + len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		pfail("send a SYN");
	close(raw);
}

static void open_packets(void)
{
	struct sockaddr_ll lo = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(0x800),
				  .sll_ifindex = (int)if_nametoindex("lo") };

	packets = xsocket(AF_PACKET, SOCK_DGRAM, htons(0x800));
	if (bind(packets, (struct sockaddr *)&lo, sizeof(lo)))
		pfail("bind to lo");
}

/* What the answer to a SYN from port @sport gives. */
static void read_cookie(int sport, unsigned char cookie[8])
{
	for (;;) {
		struct {
			struct iphdr ip;
			struct tcphdr tcp;
			unsigned char options[200];
		} p = { 0 };

		if (recv(packets, &p, sizeof(p), 0) < (ssize_t)sizeof(p.ip) + (ssize_t)sizeof(p.tcp))
			pfail("recv");
		if (p.ip.protocol != IPPROTO_TCP || ntohs(p.tcp.dest) != sport || !p.tcp.syn || !p.tcp.ack)
			continue;
		for (int i = 0; i < p.tcp.doff * 4 - 20 && p.options[i];
		     i += p.options[i] == 1 ? 1 : p.options[i + 1])
			if (p.options[i] == 34 && p.options[i + 1] == 10) {
				memcpy(cookie, p.options + i + 2, 8);
				return;
			}
		fail("no cookie in the answer");
	}
}

static void make_listener(int i)
{
	static const unsigned char key[16] = "my own secret...";
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domains[i], 0);
	int l = listeners[i] = xsocket(domains[i], SOCK_STREAM, 0);

	if (bind(l, (struct sockaddr *)&a, len))
		pfail("bind");
	ports[i] = local_port(l);
	set_int(l, IPPROTO_TCP, TCP_FASTOPEN, 16);
	set_int(l, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	if (i == 2 && setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, sizeof(key)))
		pfail("TCP_FASTOPEN_KEY");
	xlisten(l, 20);
}

static int info_options(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	return info.tcpi_options;
}

/* Its number is its data; in the SYN when there is a cookie. */
static int connect_fast(int l)
{
	const int number = n_conns;
	const char text[2] = { (char)('a' + number), 0 };
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domains[l], ports[l]);
	int fd = xsocket(domains[l], SOCK_STREAM, 0);

	if (sendto(fd, text, 1, MSG_FASTOPEN, (struct sockaddr *)&a, len) != 1)
		pfail("connect to %d", ports[l]);
	conns[n_conns++] = (struct conn){ fd, l, number };
	/* The server has our acknowledgement when it has taken what comes behind it. */
	xsend(fd, "+");
	for (int unsent = 1; unsent; usleep(1000))
		if (ioctl(fd, TIOCOUTQ, &unsent))
			pfail("TIOCOUTQ");
	return info_options(fd) & 32 /* TCPI_OPT_SYN_DATA */;
}

static int waiting(int l)
{
	struct pollfd p = { .fd = l, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void accept_all(int l)
{
	for (int i = 0; i < n_conns; i++) {
		const char want[3] = { (char)('a' + conns[i].number), '+', 0 };
		int fd;

		if (conns[i].listener != l)
			continue;
		if (!waiting(listeners[l]))
			fail("connection %d does not wait any more", i);
		fd = xaccept(listeners[l]);
		expect_recv(fd, want);
		xsend(fd, "answer");
		expect_recv(conns[i].client, "answer");
		close(conns[i].client);
		expect_eof(fd);
		close(fd);
	}
	if (waiting(listeners[l]))
		fail("more wait at %d", l);
}

/* Nothing but its SYN came of it. */
static void expect_served(int l, int sport, const unsigned char cookie[8])
{
	struct pollfd p = { .fd = listeners[l], .events = POLLIN };
	int fd;

	send_syn(sport, ports[l], cookie, "in the SYN");
	if (poll(&p, 1, 5000) != 1)
		fail("listener %d does not know its cookie any more", l);
	fd = xaccept(listeners[l]);
	expect_recv(fd, "in the SYN");
	if (tcp_state(fd) != TCP_SYN_RECV)
		fail("state %d", tcp_state(fd));
	close(fd);
}

#ifdef HALF_OPEN
static void half_open(const unsigned char cookie[8])
{
	int fd;

	send_syn(3333, ports[0], cookie, "in the SYN");
	while (!waiting(listeners[0]))
		usleep(1000);
	test_daemon();
	test_waitsig();
	fd = xaccept(listeners[0]);
	expect_recv(fd, "in the SYN");
	if (tcp_state(fd) != TCP_SYN_RECV)
		fail("state %d", tcp_state(fd));
	pass();
}
#endif

int main(int argc, char **argv)
{
	unsigned char cookies[LISTENERS][8], keys[LISTENERS][2][32] = { 0 };
	char line[2][100] = { 0 };
	socklen_t len;
	int kept;

	test_init(argc, argv);
	net_setup(setup);
	for (int i = 0; i < LISTENERS; i++)
		make_listener(i);
	open_packets();
	for (int i = 0; i < LISTENERS; i += 2) {
		send_syn(1111 + i, ports[i], NULL, "");
		read_cookie(1111 + i, cookies[i]);
	}
	if (memcmp(cookies[0], cookies[2], 8) == 0)
		fail("one key for two");
	close(packets);
#ifdef HALF_OPEN
	half_open(cookies[0]);
#endif
	for (int l = 0; l < LISTENERS; l++) /* a client has one cookie for an address */
		for (int i = 0; i < EACH; i++)
			if (!connect_fast(l) && i == EACH - 1)
				fail("listener %d: no data with the SYN", l);
	for (int i = 0; i < LISTENERS; i++) {
		len = 32;
		if (getsockopt(listeners[i], IPPROTO_TCP, TCP_FASTOPEN_KEY, keys[i][0], &len))
			pfail("TCP_FASTOPEN_KEY");
	}
	file_get("/proc/sys/net/ipv4/tcp_fastopen_key", line[0], sizeof(line[0]));
	/* One that is accepted has more to tell, once. */
	kept = xaccept(listeners[0]);
	n_conns--;
	memmove(conns, conns + 1, sizeof(conns[0]) * n_conns);
	if (!get_int(kept, IPPROTO_TCP, TCP_SAVE_SYN))
		fail("TCP_SAVE_SYN is not taken over");
	test_daemon();
	test_waitsig();
	expect_recv(kept, "a+");
	for (int l = 0; l < LISTENERS; l++)
		accept_all(l);
	file_get("/proc/sys/net/ipv4/tcp_fastopen_key", line[1], sizeof(line[1]));
	if (strcmp(line[0], line[1]))
		fail("the namespace's key was %s, is %s", line[0], line[1]);
	for (int i = 0; i < LISTENERS; i++) {
		len = 32;
		if (getsockopt(listeners[i], IPPROTO_TCP, TCP_FASTOPEN_KEY, keys[i][1], &len) ||
		    memcmp(keys[i][0], keys[i][1], 32))
			fail("listener %d has another key", i);
	}
	expect_served(0, 2222, cookies[0]);
	expect_served(2, 2224, cookies[2]);
	pass();
}
