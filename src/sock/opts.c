/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket options, those of Linux 6.18 (include/uapi/asm-generic/socket.h, linux/in.h, in6.h, tcp.h, udp.h,
 * netlink.h, if_packet.h).
 *
 * Shown by the kernel: nearly all. Not: the eBPF program of SO_ATTACH_BPF (refused), the interface of
 * IP_MULTICAST_IF when it was given by index only, SO_BUSY_POLL_BUDGET, IP_ROUTER_ALERT, the policies of
 * IP_XFRM_POLICY, a sticky IPV6_PKTINFO, TCP_QUICKACK (the kernel changes it all the time). The numbers
 * of SOF_TIMESTAMPING_OPT_ID begin again.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/if_packet.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "sock/flowlabel.h"
#include "sock/opts.h"
#include "sock/reuse.h"
#include "sock/sk.h"

enum { EARLY = 1, VARIABLE = 2, LAST = 4, SPARSE = 8 };

#define VALUE_MAX 512

struct opt_row {
	int name;
	uint16_t size; /* of the value; the most of it when VARIABLE */
	uint16_t flags; /* EARLY: before bind; LAST: others change it; SPARSE: 0 where nobody set it, then not
			   kept */
	const char *text;
};

#define INT(n)              \
	{                   \
		n, 4, 0, #n \
	}
#define FLAG(n)                  \
	{                        \
		n, 4, SPARSE, #n \
	}
#define INT_EARLY(n)            \
	{                       \
		n, 4, EARLY, #n \
	}
#define ROW(n, size, flags)        \
	{                          \
		n, size, flags, #n \
	}

static const struct opt_row socket_rows[] = {
	INT_EARLY(SO_REUSEADDR),
	INT_EARLY(SO_REUSEPORT),
	ROW(SO_BINDTODEVICE, 16, EARLY | VARIABLE | SPARSE),
	INT_EARLY(SO_MARK),
	ROW(SO_PRIORITY, 4, LAST),
	FLAG(SO_DEBUG),
	INT(SO_KEEPALIVE),
	FLAG(SO_OOBINLINE),
	ROW(SO_LINGER, 8, SPARSE),
	FLAG(SO_BROADCAST),
	FLAG(SO_DONTROUTE),
	ROW(SO_RCVTIMEO, 16, SPARSE),
	ROW(SO_SNDTIMEO, 16, SPARSE),
	INT(SO_RCVLOWAT),
	FLAG(SO_PASSCRED),
	FLAG(SO_PASSSEC),
	FLAG(SK_SO_PASSPIDFD),
	INT(SK_SO_PASSRIGHTS),
	FLAG(SO_TIMESTAMP_OLD),
	FLAG(SO_TIMESTAMPNS_OLD),
	FLAG(SO_TIMESTAMP_NEW),
	FLAG(SO_TIMESTAMPNS_NEW),
	ROW(SO_TIMESTAMPING_OLD, 8, VARIABLE | SPARSE),
	ROW(SO_TIMESTAMPING_NEW, 8, VARIABLE | SPARSE),
	FLAG(SO_NO_CHECK),
	FLAG(SO_RXQ_OVFL),
	FLAG(SO_WIFI_STATUS),
	FLAG(SO_NOFCS),
	FLAG(SO_SELECT_ERR_QUEUE),
	INT(SO_BUSY_POLL),
	ROW(SO_MAX_PACING_RATE, 8, VARIABLE),
	INT(SO_INCOMING_CPU),
	FLAG(SO_ZEROCOPY),
	ROW(SO_TXTIME, 8, SPARSE),
	FLAG(SO_PREFER_BUSY_POLL),
	INT(SO_TXREHASH),
	FLAG(SO_RCVMARK),
	FLAG(SK_SO_RCVPRIORITY),
	FLAG(SK_SO_RESERVE_MEM),
	INT(SO_PEEK_OFF),
};

static const struct opt_row ip_rows[] = {
	INT_EARLY(IP_FREEBIND),
	INT_EARLY(IP_TRANSPARENT),
	INT_EARLY(IP_BIND_ADDRESS_NO_PORT),
	INT_EARLY(SK_IP_LOCAL_PORT_RANGE),
	INT(IP_TOS),
	INT(IP_TTL),
	ROW(IP_OPTIONS, 40, VARIABLE | SPARSE),
	FLAG(IP_RECVOPTS),
	FLAG(IP_RETOPTS),
	FLAG(IP_PKTINFO),
	INT(IP_MTU_DISCOVER),
	FLAG(IP_RECVERR),
	FLAG(IP_RECVTTL),
	FLAG(IP_RECVTOS),
	FLAG(IP_RECVORIGDSTADDR),
	FLAG(IP_MINTTL),
	FLAG(IP_NODEFRAG),
	FLAG(IP_CHECKSUM),
	FLAG(IP_RECVFRAGSIZE),
	FLAG(SK_IP_RECVERR_RFC4884),
	FLAG(IP_UNICAST_IF),
	FLAG(IP_PASSSEC),
};

static const struct opt_row ip6_rows[] = {
	INT_EARLY(IPV6_V6ONLY),
	INT_EARLY(IPV6_FREEBIND),
	INT_EARLY(IPV6_TRANSPARENT),
	ROW(IPV6_FLOWINFO_SEND, 4, EARLY | SPARSE), /* connect(2) takes a label then */
	INT(IPV6_UNICAST_HOPS),
	INT(IPV6_MTU_DISCOVER),
	INT(IPV6_TCLASS),
	INT(IPV6_AUTOFLOWLABEL),
	FLAG(IPV6_RECVERR),
	FLAG(IPV6_RECVPKTINFO),
	FLAG(IPV6_RECVHOPLIMIT),
	FLAG(IPV6_RECVTCLASS),
	FLAG(IPV6_RECVORIGDSTADDR),
	FLAG(IPV6_RECVHOPOPTS),
	FLAG(IPV6_RECVRTHDR),
	FLAG(IPV6_RECVDSTOPTS),
	FLAG(IPV6_RECVPATHMTU),
	FLAG(IPV6_RECVFRAGSIZE),
	FLAG(IPV6_RECVERR_RFC4884),
	FLAG(IPV6_2292PKTINFO),
	FLAG(IPV6_2292HOPOPTS),
	FLAG(IPV6_2292DSTOPTS),
	FLAG(IPV6_2292RTHDR),
	FLAG(IPV6_2292HOPLIMIT),
	FLAG(IPV6_FLOWINFO),
	FLAG(IPV6_DONTFRAG),
	FLAG(IPV6_MINHOPCOUNT),
	FLAG(IPV6_UNICAST_IF),
	FLAG(IPV6_ROUTER_ALERT_ISOLATE),
	INT(IPV6_ADDR_PREFERENCES),
	/* on all packets that are sent */
	ROW(IPV6_HOPOPTS, VALUE_MAX, VARIABLE | SPARSE),
	ROW(IPV6_RTHDRDSTOPTS, VALUE_MAX, VARIABLE | SPARSE),
	ROW(IPV6_RTHDR, VALUE_MAX, VARIABLE | SPARSE),
	ROW(IPV6_DSTOPTS, VALUE_MAX, VARIABLE | SPARSE),
};

/* Streams show values of these that nobody set. */
static const struct opt_row ip_mcast_rows[] = {
	ROW(IP_MULTICAST_IF, 4, 0),
	INT(IP_MULTICAST_TTL),
	INT(IP_MULTICAST_LOOP),
	INT(IP_MULTICAST_ALL),
};

static const struct opt_row ip6_mcast_rows[] = {
	INT(IPV6_MULTICAST_IF),
	INT(IPV6_MULTICAST_HOPS),
	INT(IPV6_MULTICAST_LOOP),
	INT(IPV6_MULTICAST_ALL),
};

static const struct opt_row tcp_rows[] = {
	INT(TCP_MAXSEG), /* what the owner set: of sockets without a connection */
	FLAG(TCP_NODELAY),
	FLAG(TCP_CORK),
	INT(TCP_KEEPIDLE),
	INT(TCP_KEEPINTVL),
	INT(TCP_KEEPCNT),
	INT(TCP_SYNCNT),
	INT(TCP_LINGER2),
	INT(TCP_DEFER_ACCEPT),
	INT(TCP_WINDOW_CLAMP),
	FLAG(TCP_USER_TIMEOUT),
	ROW(TCP_CONGESTION, 16, VARIABLE),
	FLAG(TCP_THIN_LINEAR_TIMEOUTS),
	INT(TCP_NOTSENT_LOWAT),
	FLAG(TCP_SAVE_SYN),
	FLAG(TCP_FASTOPEN),
	INT_EARLY(TCP_FASTOPEN_CONNECT),
	ROW(TCP_FASTOPEN_KEY, 32, VARIABLE | SPARSE),
	FLAG(TCP_FASTOPEN_NO_COOKIE),
	FLAG(TCP_INQ),
	FLAG(TCP_TX_DELAY),
	INT(SK_TCP_RTO_MAX_MS),
	INT(SK_TCP_RTO_MIN_US),
	INT(SK_TCP_DELACK_MAX_US),
};

static const struct opt_row udp_rows[] = {
	FLAG(UDP_CORK),		FLAG(UDP_ENCAP),   FLAG(UDP_NO_CHECK6_TX),
	FLAG(UDP_NO_CHECK6_RX), FLAG(UDP_SEGMENT), FLAG(UDP_GRO),
};

static const struct opt_row udplite_rows[] = {
	FLAG(UDP_CORK),	   FLAG(UDP_ENCAP), FLAG(UDP_NO_CHECK6_TX),	FLAG(UDP_NO_CHECK6_RX),
	FLAG(UDP_SEGMENT), FLAG(UDP_GRO),   INT(SK_UDPLITE_SEND_CSCOV), INT(SK_UDPLITE_RECV_CSCOV),
};

static const struct opt_row raw_rows[] = {
	ROW(SK_ICMP_FILTER, 4, 0),
};

static const struct opt_row raw_ip_rows[] = {
	INT_EARLY(IP_HDRINCL),
};

static const struct opt_row raw_ip6_rows[] = {
	INT_EARLY(IPV6_HDRINCL),
	INT(IPV6_CHECKSUM),
};

static const struct opt_row icmp6_rows[] = {
	ROW(SK_ICMPV6_FILTER, 32, 0),
};

static const struct opt_row netlink_rows[] = {
	INT(NETLINK_PKTINFO),	      INT(NETLINK_BROADCAST_ERROR), INT(NETLINK_NO_ENOBUFS),
	INT(NETLINK_LISTEN_ALL_NSID), INT(NETLINK_CAP_ACK),	    INT(NETLINK_EXT_ACK),
	INT(NETLINK_GET_STRICT_CHK),
};

static const struct opt_row packet_rows[] = {
	INT_EARLY(PACKET_VERSION),
	INT_EARLY(PACKET_RESERVE),
	INT_EARLY(PACKET_VNET_HDR),
	ROW(SK_PACKET_VNET_HDR_SZ, 4, EARLY | SPARSE),
	INT(PACKET_AUXDATA),
	INT(PACKET_ORIGDEV),
	INT(PACKET_LOSS),
	INT(PACKET_TIMESTAMP),
	INT(PACKET_QDISC_BYPASS),
	FLAG(PACKET_TX_HAS_OFF),
	FLAG(SK_PACKET_COPY_THRESH),
	INT(SK_PACKET_IGNORE_OUTGOING),
};

/* Which rows a socket has: 0 in a field matches all. */
struct opt_table {
	int level;
	uint32_t domain, type, protocol;
	const struct opt_row *rows;
	size_t n;
};

#define TABLE(level, domain, type, protocol, rows)                    \
	{                                                             \
		level, domain, type, protocol, rows, ARRAY_SIZE(rows) \
	}

static const struct opt_table tables[] = {
	TABLE(SOL_SOCKET, 0, 0, 0, socket_rows),
	TABLE(IPPROTO_IP, AF_INET, 0, 0, ip_rows),
	TABLE(IPPROTO_IP, AF_INET6, SOCK_STREAM, 0, ip_rows),
	TABLE(IPPROTO_IP, AF_INET6, SOCK_DGRAM, 0, ip_rows),
	TABLE(IPPROTO_IP, AF_INET, SOCK_RAW, 0, raw_ip_rows),
	TABLE(IPPROTO_IPV6, AF_INET6, 0, 0, ip6_rows),
	TABLE(IPPROTO_IPV6, AF_INET6, SOCK_RAW, 0, raw_ip6_rows),
	TABLE(IPPROTO_IP, AF_INET, SOCK_DGRAM, 0, ip_mcast_rows),
	TABLE(IPPROTO_IP, AF_INET, SOCK_RAW, 0, ip_mcast_rows),
	TABLE(IPPROTO_IP, AF_INET6, SOCK_DGRAM, 0, ip_mcast_rows),
	TABLE(IPPROTO_IPV6, AF_INET6, SOCK_DGRAM, 0, ip6_mcast_rows),
	TABLE(IPPROTO_IPV6, AF_INET6, SOCK_RAW, 0, ip6_mcast_rows),
	TABLE(IPPROTO_TCP, AF_INET, SOCK_STREAM, 0, tcp_rows),
	TABLE(IPPROTO_TCP, AF_INET6, SOCK_STREAM, 0, tcp_rows),
	TABLE(IPPROTO_UDP, AF_INET, SOCK_DGRAM, IPPROTO_UDP, udp_rows),
	TABLE(IPPROTO_UDP, AF_INET6, SOCK_DGRAM, IPPROTO_UDP, udp_rows),
	TABLE(IPPROTO_UDPLITE, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, udplite_rows),
	TABLE(IPPROTO_UDPLITE, AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE, udplite_rows),
	TABLE(SOL_RAW, AF_INET, SOCK_RAW, IPPROTO_ICMP, raw_rows),
	TABLE(IPPROTO_ICMPV6, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, icmp6_rows),
	TABLE(SOL_NETLINK, AF_NETLINK, 0, 0, netlink_rows),
	TABLE(SOL_PACKET, AF_PACKET, 0, 0, packet_rows),
};

static bool table_fits(const struct opt_table *t, const SockEntry *s)
{
	return (!t->domain || t->domain == s->domain) && (!t->type || t->type == s->type) &&
	       (!t->protocol || t->protocol == s->protocol);
}

/* The row of a dumped option, if this socket may have it with a value of this size. */
static const struct opt_row *find_row(const SockEntry *s, const SockOptEntry *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct opt_table *t = &tables[i];

		if (t->level != (int)o->level || !table_fits(t, s))
			continue;
		for (size_t j = 0; j < t->n; j++) {
			const struct opt_row *row = &t->rows[j];

			if (row->name != (int)o->name)
				continue;
			if (row->flags & VARIABLE ? o->value.len <= row->size : o->value.len == row->size)
				return row;
		}
	}
	return NULL;
}

static int add_opt(SockEntry *s, int level, int name, const void *value, size_t len)
{
	SockOptEntry *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	sock_opt_entry__init(o);
	o->level = level;
	o->name = name;
	if (sk_set_bytes(&o->value, value, len) < 0 || !GROW(s->opts, s->n_opts)) {
		sock_opt_entry__free_unpacked(o, NULL);
		return -ENOMEM;
	}
	s->opts[s->n_opts++] = o;
	return 0;
}

static bool all_zero(const char *value, size_t len)
{
	return !len || (!value[0] && memcmp(value, value + 1, len - 1) == 0);
}

/* An option the kernel does not know or that this socket lacks has no value to keep. */
static int dump_rows(const struct opt_table *t, int fd, SockEntry *s)
{
	for (size_t i = 0; i < t->n; i++) {
		char value[VALUE_MAX];
		socklen_t len = t->rows[i].size;

		if (getsockopt(fd, t->level, t->rows[i].name, value, &len) < 0)
			continue;
		if (!(t->rows[i].flags & VARIABLE) && len != t->rows[i].size)
			continue;
		if (t->rows[i].flags & SPARSE && all_zero(value, len))
			continue;
		if (add_opt(s, t->level, t->rows[i].name, value, len) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Sizes the owner has locked, and the automatic ones: SO_SNDBUF, SO_RCVBUF, SO_BUF_LOCK. */
static int dump_buffers(int fd, SockEntry *s)
{
	static const int names[] = { SO_SNDBUF, SO_RCVBUF, SO_BUF_LOCK };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int value = sk_int(fd, SOL_SOCKET, names[i]);

		if (value >= 0 && add_opt(s, SOL_SOCKET, names[i], &value, sizeof(value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int dump_filter(const struct file_desc *f, SockEntry *s)
{
	socklen_t n = 0;

	if (getsockopt(f->fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0) {
		if (errno != EACCES)
			return 0;
		log_error("%s: has an eBPF socket filter, which cannot be read back; detach it "
			  "(SO_DETACH_FILTER)",
			  file_desc_name(f));
		return -EOPNOTSUPP;
	}
	if (!n)
		return 0;
	s->filter.data = calloc(n, sizeof(struct sock_filter));
	if (!s->filter.data)
		return -ENOMEM;
	if (getsockopt(f->fd, SOL_SOCKET, SO_GET_FILTER, s->filter.data, &n) < 0)
		return -errno;
	s->filter.len = n * sizeof(struct sock_filter);
	s->has_filter = true;
	s->has_filter_locked = true;
	s->filter_locked = sk_int(f->fd, SOL_SOCKET, SO_LOCK_FILTER) > 0;
	return 0;
}

static int dump_into(struct dump *d, const struct file_desc *f, SockEntry *s)
{
	int protocol = sk_int(f->fd, SOL_SOCKET, SO_PROTOCOL);
	int ret;

	s->domain = sk_int(f->fd, SOL_SOCKET, SO_DOMAIN);
	s->type = sk_int(f->fd, SOL_SOCKET, SO_TYPE);
	s->protocol = protocol < 0 ? 0 : protocol;
	s->uid = sk_id_inside(d, "uid_map", f->st.st_uid);
	s->gid = sk_id_inside(d, "gid_map", f->st.st_gid);
	ret = sk_net_ns(d, f, &s->net_ns_id);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(tables); i++)
		if (table_fits(&tables[i], s))
			ret = dump_rows(&tables[i], f->fd, s);
	if (ret == 0)
		ret = dump_buffers(f->fd, s);
	return ret < 0 ? ret : dump_filter(f, s);
}

int opts_dump(struct dump *d, const struct file_desc *f, SockEntry **ret_entry)
{
	SockEntry *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return log_oom();
	sock_entry__init(s);
	ret = dump_into(d, f, s);
	if (ret < 0) {
		sock_entry__free_unpacked(s, NULL);
		return ret == -ENOMEM ? log_oom() : ret;
	}
	*ret_entry = s;
	return 0;
}

void opts_drop(SockEntry *s, uint32_t level, uint32_t name)
{
	for (size_t i = 0; i < s->n_opts; i++) {
		if (s->opts[i]->level != level || s->opts[i]->name != name)
			continue;
		sock_opt_entry__free_unpacked(s->opts[i], NULL);
		s->opts[i--] = s->opts[--s->n_opts];
	}
}

int opts_add_int(SockEntry *s, uint32_t level, uint32_t name, int value)
{
	return add_opt(s, (int)level, (int)name, &value, sizeof(value));
}

static bool is_buffer(const SockOptEntry *o)
{
	return o->level == SOL_SOCKET && o->value.len == 4 &&
	       (o->name == SO_SNDBUF || o->name == SO_RCVBUF || o->name == SO_BUF_LOCK);
}

int opts_check(const FileEntry *file, const SockEntry *s)
{
	for (size_t i = 0; i < s->n_opts; i++) {
		if (is_buffer(s->opts[i]) || find_row(s, s->opts[i]))
			continue;
		log_error("%s: the image has an unknown socket option %u/%u of %zu bytes",
			  file_entry_name(file), s->opts[i]->level, s->opts[i]->name, s->opts[i]->value.len);
		return -EBADMSG;
	}
	for (size_t i = 0; i < s->n_labels; i++) {
		if (flowlabel_ok(s->labels[i]))
			continue;
		log_error("%s: the image has no sane flow label here", file_entry_name(file));
		return -EBADMSG;
	}
	if (s->reuseport && !reuse_ok(s->reuseport)) {
		log_error("%s: the image has no sane group of SO_REUSEPORT here", file_entry_name(file));
		return -EBADMSG;
	}
	if (s->has_filter && (!s->filter.len || s->filter.len % sizeof(struct sock_filter) ||
			      s->filter.len / sizeof(struct sock_filter) > BPF_MAXINSNS)) {
		log_error("%s: the image has a socket filter of %zu bytes", file_entry_name(file),
			  s->filter.len);
		return -EBADMSG;
	}
	return 0;
}

static int set_row(const FileEntry *file, const struct opt_row *row, const SockOptEntry *o, int fd)
{
	char now[VALUE_MAX];
	socklen_t len = row->size;

	if (getsockopt(fd, o->level, o->name, now, &len) == 0 && len == o->value.len &&
	    (!len || memcmp(now, o->value.data, len) == 0))
		return 0;
	if (setsockopt(fd, o->level, o->name, o->value.data, o->value.len) < 0)
		return log_errno(errno, "%s: set %s", file_entry_name(file), row->text);
	return 0;
}

static int set_rows(const FileEntry *file, const SockEntry *s, int fd, int when)
{
	for (size_t i = 0; i < s->n_opts; i++) {
		const struct opt_row *row = find_row(s, s->opts[i]);
		int ret;

		if (!row || (row->flags & (EARLY | LAST)) != when)
			continue;
		ret = set_row(file, row, s->opts[i], fd);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int opts_restore_early(const FileEntry *file, const SockEntry *s, int fd)
{
	return set_rows(file, s, fd, EARLY);
}

int opts_restore_reuse(const FileEntry *file, const SockEntry *s, int fd)
{
	for (size_t i = 0; i < s->n_opts; i++) {
		const SockOptEntry *o = s->opts[i];
		const struct opt_row *row = find_row(s, o);

		if (row && o->level == SOL_SOCKET && o->name == SO_REUSEADDR)
			return set_row(file, row, o, fd);
	}
	return 0;
}

static int restore_buffers(const FileEntry *file, const SockEntry *s, int fd, bool lock)
{
	for (size_t i = 0; i < s->n_opts; i++) {
		const SockOptEntry *o = s->opts[i];
		int value, name = o->name;

		if (!is_buffer(o) || (name == SO_BUF_LOCK) != lock)
			continue;
		memcpy(&value, o->value.data, sizeof(value));
		/* getsockopt shows the double of what was set, as the kernel counts its own overhead. */
		if (name != SO_BUF_LOCK) {
			value /= 2;
			name = name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
		}
		if (setsockopt(fd, SOL_SOCKET, name, &value, sizeof(value)) < 0)
			return log_errno(errno, "%s: set socket buffer option %d to %d",
					 file_entry_name(file), name, value);
	}
	return 0;
}

int opts_restore_buffers(const FileEntry *file, const SockEntry *s, int fd)
{
	int err = restore_buffers(file, s, fd, false);

	return err < 0 ? err : restore_buffers(file, s, fd, true); /* setting a size locks it */
}

static int set_filter(const FileEntry *file, const SockEntry *s, int fd)
{
	struct sock_fprog prog = {
		.len = s->filter.len / sizeof(struct sock_filter),
		.filter = (struct sock_filter *)s->filter.data,
	};
	int one = 1;

	if (!s->has_filter)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ||
	    (s->filter_locked && setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0))
		return log_errno(errno, "%s: attach the socket filter", file_entry_name(file));
	return 0;
}

int opts_restore_late(struct restore *r, const FileEntry *file, const SockEntry *s, int fd)
{
	uid_t uid = sk_id_outside(r, "uid_map", s->uid);
	gid_t gid = sk_id_outside(r, "gid_map", s->gid);
	int ret = set_rows(file, s, fd, 0);

	if (ret == 0)
		ret = set_rows(file, s, fd, LAST);
	if (ret == 0)
		ret = opts_restore_buffers(file, s, fd);
	if (ret == 0)
		ret = set_filter(file, s, fd);
	if (ret == 0 && fchown(fd, uid, gid) < 0)
		return log_errno(errno, "%s: give the socket to uid %u", file_entry_name(file), s->uid);
	return ret;
}
