/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every option that getsockopt(2) shows, of every level, on sockets of all kinds: once as they are born,
 * once with all that can be set to something else.
 */
#include "sockets.h"

#include <linux/if_ether.h>
#include <linux/ipv6.h>
#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#include <sys/time.h>

#define NAMES 128
#define VALUE 256
#define KINDS 10

struct set {
	int level, name, len;
	const void *value;
};

#define INT(level, name, value)                        \
	{                                              \
		level, name, sizeof(int), &(const int) \
		{                                      \
			value                          \
		}                                      \
	}
#define BYTES(level, name, v)                \
	{                                    \
		level, name, sizeof(v), &(v) \
	}

/* What the socket's kind has not fails to be set, and that is that. */
static const struct linger linger = { 1, 23 };
static const struct timeval soon = { 12, 340000 }, later = { 8, 0 };
static const int stamping[2] = { SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE, 0 };
static const int txtime[2] = { 1 /* CLOCK_MONOTONIC */, 2 /* report errors */ };
static const uint64_t pacing = 123456789;
static const unsigned char hop_options[8] = { 0, 0, 1, 4 }, dst_options[16] = { 0, 1, 1, 12 };
static const unsigned char fastopen_key[32] = "0123456789abcdefghijklmnopqrstuv";
static const struct set sets[] = {
	INT(SOL_SOCKET, SO_REUSEADDR, 1),
	INT(SOL_SOCKET, SO_REUSEPORT, 1),
	INT(SOL_SOCKET, SO_MARK, 3),
	INT(SOL_SOCKET, SO_PRIORITY, 5),
	INT(SOL_SOCKET, SO_KEEPALIVE, 1),
	INT(SOL_SOCKET, SO_OOBINLINE, 1),
	INT(SOL_SOCKET, SO_BROADCAST, 1),
	INT(SOL_SOCKET, SO_DONTROUTE, 1),
	BYTES(SOL_SOCKET, SO_LINGER, linger),
	BYTES(SOL_SOCKET, SO_RCVTIMEO, soon),
	BYTES(SOL_SOCKET, SO_SNDTIMEO, later),
	INT(SOL_SOCKET, SO_RCVLOWAT, 3),
	INT(SOL_SOCKET, SO_PASSCRED, 1),
	INT(SOL_SOCKET, SO_PASSSEC, 1),
	INT(SOL_SOCKET, 76 /* SO_PASSPIDFD */, 1),
	INT(SOL_SOCKET, 83 /* SO_PASSRIGHTS */, 0),
	INT(SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1),
	BYTES(SOL_SOCKET, SO_TIMESTAMPING_NEW, stamping),
	INT(SOL_SOCKET, SO_NO_CHECK, 1),
	INT(SOL_SOCKET, SO_RXQ_OVFL, 1),
	INT(SOL_SOCKET, SO_WIFI_STATUS, 1),
	INT(SOL_SOCKET, SO_NOFCS, 1),
	INT(SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1),
	INT(SOL_SOCKET, SO_BUSY_POLL, 40),
	INT(SOL_SOCKET, SO_PREFER_BUSY_POLL, 1),
	BYTES(SOL_SOCKET, SO_MAX_PACING_RATE, pacing),
	INT(SOL_SOCKET, SO_INCOMING_CPU, 0),
	INT(SOL_SOCKET, SO_ZEROCOPY, 1),
	BYTES(SOL_SOCKET, SO_TXTIME, txtime),
	INT(SOL_SOCKET, SO_RESERVE_MEM, 8192),
	INT(SOL_SOCKET, SO_TXREHASH, 0),
	INT(SOL_SOCKET, 75 /* SO_RCVMARK */, 1),
	INT(SOL_SOCKET, 82 /* SO_RCVPRIORITY */, 1),
	INT(SOL_SOCKET, SO_PEEK_OFF, 2),
	INT(SOL_SOCKET, SO_SNDBUF, 50000),
	INT(SOL_SOCKET, SO_RCVBUF, 60000),
	INT(IPPROTO_IP, IP_FREEBIND, 1),
	INT(IPPROTO_IP, IP_TRANSPARENT, 1),
	INT(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
	INT(IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, 40000 | 41000 << 16),
	INT(IPPROTO_IP, IP_TOS, 8),
	INT(IPPROTO_IP, IP_TTL, 9),
	INT(IPPROTO_IP, IP_RECVOPTS, 1),
	INT(IPPROTO_IP, IP_RETOPTS, 1),
	INT(IPPROTO_IP, IP_PKTINFO, 1),
	INT(IPPROTO_IP, IP_MTU_DISCOVER, 2),
	INT(IPPROTO_IP, IP_RECVERR, 1),
	INT(IPPROTO_IP, IP_RECVTTL, 1),
	INT(IPPROTO_IP, IP_RECVTOS, 1),
	INT(IPPROTO_IP, IP_RECVORIGDSTADDR, 1),
	INT(IPPROTO_IP, IP_MINTTL, 3),
	INT(IPPROTO_IP, IP_NODEFRAG, 1),
	INT(IPPROTO_IP, IP_CHECKSUM, 1),
	INT(IPPROTO_IP, IP_RECVFRAGSIZE, 1),
	INT(IPPROTO_IP, 26 /* IP_RECVERR_RFC4884 */, 1),
	INT(IPPROTO_IP, IP_PASSSEC, 1),
	INT(IPPROTO_IP, IP_UNICAST_IF, 1 << 24 /* network order */),
	INT(IPPROTO_IP, IP_MULTICAST_TTL, 4),
	INT(IPPROTO_IP, IP_MULTICAST_LOOP, 0),
	INT(IPPROTO_IP, IP_MULTICAST_ALL, 0),
	INT(IPPROTO_IPV6, IPV6_V6ONLY, 1),
	INT(IPPROTO_IPV6, IPV6_FREEBIND, 1),
	INT(IPPROTO_IPV6, IPV6_TRANSPARENT, 1),
	INT(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 6),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_IF, 1),
	INT(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 2),
	INT(IPPROTO_IPV6, IPV6_RECVERR, 1),
	INT(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1),
	INT(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1),
	INT(IPPROTO_IPV6, IPV6_RECVTCLASS, 1),
	INT(IPPROTO_IPV6, IPV6_TCLASS, 12),
	INT(IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1),
	INT(IPPROTO_IPV6, IPV6_RECVRTHDR, 1),
	INT(IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1),
	INT(IPPROTO_IPV6, IPV6_RECVPATHMTU, 1),
	INT(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1),
	INT(IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 1),
	INT(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1),
	INT(IPPROTO_IPV6, IPV6_2292PKTINFO, 1),
	INT(IPPROTO_IPV6, IPV6_2292HOPOPTS, 1),
	INT(IPPROTO_IPV6, IPV6_2292DSTOPTS, 1),
	INT(IPPROTO_IPV6, IPV6_2292RTHDR, 1),
	INT(IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1),
	INT(IPPROTO_IPV6, 11 /* IPV6_FLOWINFO */, 1),
	INT(IPPROTO_IPV6, 33 /* IPV6_FLOWINFO_SEND */, 1),
	INT(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0),
	INT(IPPROTO_IPV6, IPV6_DONTFRAG, 1),
	INT(IPPROTO_IPV6, IPV6_MINHOPCOUNT, 3),
	INT(IPPROTO_IPV6, IPV6_UNICAST_IF, 1 << 24),
	INT(IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE, 1),
	INT(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 2 /* public */),
	INT(IPPROTO_IPV6, IPV6_CHECKSUM, 4),
	INT(IPPROTO_IPV6, IPV6_HDRINCL, 1),
	BYTES(IPPROTO_IPV6, IPV6_HOPOPTS, hop_options),
	BYTES(IPPROTO_IPV6, IPV6_DSTOPTS, dst_options),
	INT(IPPROTO_TCP, TCP_MAXSEG, 700),
	INT(IPPROTO_TCP, TCP_NODELAY, 1),
	INT(IPPROTO_TCP, TCP_CORK, 1),
	INT(IPPROTO_TCP, TCP_KEEPIDLE, 77),
	INT(IPPROTO_TCP, TCP_KEEPINTVL, 7),
	INT(IPPROTO_TCP, TCP_KEEPCNT, 3),
	INT(IPPROTO_TCP, TCP_SYNCNT, 4),
	INT(IPPROTO_TCP, TCP_LINGER2, 11),
	INT(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1),
	INT(IPPROTO_TCP, TCP_WINDOW_CLAMP, 50000),
	INT(IPPROTO_TCP, TCP_USER_TIMEOUT, 9000),
	{ IPPROTO_TCP, TCP_CONGESTION, 4, "reno" },
	INT(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
	INT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 40000),
	INT(IPPROTO_TCP, TCP_SAVE_SYN, 2),
	INT(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1),
	BYTES(IPPROTO_TCP, TCP_FASTOPEN_KEY, fastopen_key),
	INT(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1),
	INT(IPPROTO_TCP, TCP_INQ, 1),
	INT(IPPROTO_TCP, TCP_TX_DELAY, 1000),
	INT(IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */, 9000),
	INT(IPPROTO_TCP, 45 /* TCP_RTO_MIN_US */, 40000),
	INT(IPPROTO_TCP, 46 /* TCP_DELACK_MAX_US */, 12000),
	INT(IPPROTO_UDP, UDP_CORK, 1),
	INT(IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP),
	INT(IPPROTO_UDP, UDP_NO_CHECK6_TX, 1),
	INT(IPPROTO_UDP, UDP_NO_CHECK6_RX, 1),
	INT(IPPROTO_UDP, UDP_SEGMENT, 1200),
	INT(IPPROTO_UDP, UDP_GRO, 1),
	INT(IPPROTO_UDPLITE, 10 /* UDPLITE_SEND_CSCOV */, 30),
	INT(IPPROTO_UDPLITE, 11 /* UDPLITE_RECV_CSCOV */, 40),
	INT(IPPROTO_ICMPV6, 1 /* ICMPV6_FILTER */, 9),
	INT(SOL_RAW, 1 /* ICMP_FILTER */, 5),
	INT(SOL_NETLINK, 3 /* NETLINK_PKTINFO */, 1),
	INT(SOL_NETLINK, 4 /* NETLINK_BROADCAST_ERROR */, 1),
	INT(SOL_NETLINK, 5 /* NETLINK_NO_ENOBUFS */, 1),
	INT(SOL_NETLINK, 8 /* NETLINK_LISTEN_ALL_NSID */, 1),
	INT(SOL_NETLINK, 10 /* NETLINK_CAP_ACK */, 1),
	INT(SOL_NETLINK, 11 /* NETLINK_EXT_ACK */, 1),
	INT(SOL_NETLINK, 12 /* NETLINK_GET_STRICT_CHK */, 1),
	INT(SOL_PACKET, 8 /* PACKET_AUXDATA */, 1),
	INT(SOL_PACKET, 9 /* PACKET_ORIGDEV */, 1),
	INT(SOL_PACKET, 10 /* PACKET_VERSION */, 1),
	INT(SOL_PACKET, 12 /* PACKET_RESERVE */, 16),
	INT(SOL_PACKET, 14 /* PACKET_LOSS */, 1),
	INT(SOL_PACKET, 24 /* PACKET_VNET_HDR_SZ */, 12),
	INT(SOL_PACKET, 17 /* PACKET_TIMESTAMP */, SOF_TIMESTAMPING_RAW_HARDWARE),
	INT(SOL_PACKET, 19 /* PACKET_TX_HAS_OFF */, 1),
	INT(SOL_PACKET, 20 /* PACKET_QDISC_BYPASS */, 1),
	INT(SOL_PACKET, 7 /* PACKET_COPY_THRESH */, 300),
	INT(SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, 1),
};
#define N_SETS ((int)(sizeof(sets) / sizeof(*sets)))

static const int levels[] = { SOL_SOCKET,      IPPROTO_IP,     IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP,
			      IPPROTO_UDPLITE, IPPROTO_ICMPV6, SOL_RAW,	     SOL_NETLINK, SOL_PACKET };
#define LEVELS ((int)(sizeof(levels) / sizeof(*levels)))

/* Not options: they tell of this one socket, or of what passes. */
static const int passing[][2] = {
	{ SOL_SOCKET, SO_COOKIE },
	{ SOL_SOCKET, SO_MEMINFO },
	{ SOL_SOCKET, SO_PEERCRED },
	{ SOL_SOCKET, SO_NETNS_COOKIE },
	{ SOL_SOCKET, SO_INCOMING_CPU },
	{ IPPROTO_TCP, TCP_INFO },
	{ IPPROTO_TCP, TCP_TIMESTAMP },
	{ IPPROTO_TCP, TCP_QUICKACK },
	{ SOL_PACKET, 6 /* PACKET_STATISTICS */ },
};

static const int kinds[KINDS][3] = {
	{ AF_INET, SOCK_STREAM, 0 },
	{ AF_INET6, SOCK_STREAM, 0 },
	{ AF_INET, SOCK_DGRAM, 0 },
	{ AF_INET6, SOCK_DGRAM, 0 },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE },
	{ AF_INET, SOCK_RAW, IPPROTO_ICMP },
	{ AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
	{ AF_INET6, SOCK_RAW, 253 },
	{ AF_NETLINK, SOCK_RAW, 0 },
	{ AF_UNIX, SOCK_STREAM, 0 },
};

struct shown {
	unsigned char len, value[VALUE];
};

static int socks[2 * KINDS + 2];
#define SOCKS ((int)(sizeof(socks) / sizeof(*socks)))
static struct shown before[SOCKS][LEVELS][NAMES];

static int is_passing(int level, int name)
{
	for (unsigned int i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (passing[i][0] == level && passing[i][1] == name)
			return 1;
	return 0;
}

static void read_one(int fd, int level, int name, struct shown *ret)
{
	socklen_t len = VALUE - 1;

	memset(ret, 0, sizeof(*ret));
	if (!is_passing(level, name) && getsockopt(fd, level, name, ret->value, &len) == 0)
		ret->len = len;
}

static int compare(int sock)
{
	struct shown now;
	int bad = 0;

	for (int l = 0; l < LEVELS; l++)
		for (int name = 0; name < NAMES; name++) {
			const struct shown *was = &before[sock][l][name];

			read_one(socks[sock], levels[l], name, &now);
			if (memcmp(&now, was, sizeof(now)) == 0)
				continue;
			test_msg("socket %d option %d/%d: %u bytes %02x%02x%02x%02x, was %u bytes "
				 "%02x%02x%02x%02x\n",
				 sock, levels[l], name, now.len, now.value[0], now.value[1], now.value[2],
				 now.value[3], was->len, was->value[0], was->value[1], was->value[2],
				 was->value[3]);
			bad = 1;
		}
	return bad;
}

/* Streams take some of them, to no effect. */
static int is_multicast(const struct set *s)
{
	return (s->level == IPPROTO_IP && (s->name == IP_MULTICAST_LOOP || s->name == IP_MULTICAST_ALL)) ||
	       (s->level == IPPROTO_IPV6 &&
		(s->name == IPV6_MULTICAST_LOOP || s->name == IPV6_MULTICAST_ALL));
}

static void set_all(int fd, int used[N_SETS])
{
	const int stream = fd >= 0 && get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;

	for (int i = 0; i < N_SETS; i++)
		if (!(stream && is_multicast(&sets[i])) &&
		    setsockopt(fd, sets[i].level, sets[i].name, sets[i].value, sets[i].len) == 0)
			used[i] = 1;
}

int main(int argc, char **argv)
{
	int used[N_SETS] = { 0 }, bad = 0;

	test_init(argc, argv);
	for (int i = 0; i < SOCKS; i++) {
		const int *k = i < 2 * KINDS ? kinds[i / 2] : (const int[]){ AF_PACKET, SOCK_RAW, 0 };

		socks[i] = socket(k[0], k[1], k[2]);
		if (socks[i] < 0)
			test_msg("no socket(%d, %d, %d) here\n", k[0], k[1], k[2]);
		if (i % 2)
			set_all(socks[i], used);
	}
	for (int i = 0; i < N_SETS; i++)
		if (!used[i])
			test_msg("option %d/%d could not be set\n", sets[i].level, sets[i].name);
	for (int s = 0; s < SOCKS; s++)
		for (int l = 0; l < LEVELS; l++)
			for (int name = 0; name < NAMES; name++)
				read_one(socks[s], levels[l], name, &before[s][l][name]);
	test_daemon();
	test_waitsig();
	for (int i = 0; i < SOCKS; i++)
		bad |= compare(i);
	if (bad)
		fail("options are not what they were");
	pass();
}
