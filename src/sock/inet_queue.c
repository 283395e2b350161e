/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queued datagrams of UDP sockets. They come back as packets with the original sender's address,
 * written to a raw socket (IP_HDRINCL, raw(7)) in the socket's namespace and marked to pass the
 * network lock; they go over the loopback device to the address they came to, if the socket has asked to be
 * told of it (IP_PKTINFO and the like), or to the local one.
 */
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/netns.h"
#include "sock/inet.h"
#include "sock/rawip.h"
#include "sock/reuse.h"
#include "sock/sk.h"

#define LOOPBACK 1 /* the index of lo in every namespace */

struct queue_dump {
	const struct file_desc *f;
	InetEntry *e;
};

static int set_to(InetMsgEntry *m, const void *addr, size_t len)
{
	if (m->has_to)
		return 0;
	m->has_to = true;
	return sk_set_bytes(&m->to, addr, len);
}

static int take_ip(InetMsgEntry *m, const struct cmsghdr *c)
{
	struct in_pktinfo info;
	int value = 0;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return set_to(m, &info.ipi_addr, sizeof(info.ipi_addr));
	case IP_TOS:
		m->has_tos = true;
		m->tos = *CMSG_DATA(c);
		return 0;
	case IP_TTL:
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		m->has_ttl = true;
		m->ttl = (uint8_t)value;
		return 0;
	}
	return 0;
}

static int take_ip6(InetMsgEntry *m, const struct cmsghdr *c)
{
	struct in6_pktinfo info;
	int value = 0;

	switch (c->cmsg_type) {
	case IPV6_PKTINFO:
	case IPV6_2292PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return set_to(m, &info.ipi6_addr, sizeof(info.ipi6_addr));
	case IPV6_TCLASS:
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		m->has_tos = true;
		m->tos = (uint8_t)value;
		return 0;
	case IPV6_HOPLIMIT:
	case IPV6_2292HOPLIMIT:
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		m->has_ttl = true;
		m->ttl = (uint8_t)value;
		return 0;
	}
	return 0;
}

/* Ancillary data that the socket has asked for. */
static int take_control(InetMsgEntry *m, struct msghdr *h)
{
	int err = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c && err == 0; c = CMSG_NXTHDR(h, c)) {
		int value = 0;

		if (c->cmsg_level == IPPROTO_IP)
			err = take_ip(m, c);
		else if (c->cmsg_level == IPPROTO_IPV6)
			err = take_ip6(m, c);
		else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			m->has_segment = value > 0;
			m->segment = (uint32_t)value;
		}
	}
	return err;
}

static int dump_datagram(void *arg, struct msghdr *h, size_t len)
{
	struct queue_dump *q = arg;
	InetMsgEntry *m = malloc(sizeof(*m));

	if (!m || !GROW(q->e->queue, q->e->n_queue)) {
		free(m);
		return -ENOMEM;
	}
	inet_msg_entry__init(m);
	q->e->queue[q->e->n_queue++] = m;
	if (sk_set_bytes(&m->data, h->msg_iov->iov_base, len) < 0 ||
	    sk_set_bytes(&m->from, h->msg_name, h->msg_namelen) < 0)
		return -ENOMEM;
	return take_control(m, h);
}

int inet_queue_dump(const struct file_desc *f, InetEntry *e)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);
	struct queue_dump q = { f, e };
	int err;

	if (e->sock->type != SOCK_DGRAM || e->sock->protocol != IPPROTO_UDP || !e->has_local)
		return 0;
	/* An error that waits to be read comes first and would be taken away: not where it is all there is.
	 */
	if (getsockopt(f->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) == 0 && !mem[SK_MEMINFO_RMEM_ALLOC])
		return 0;
	err = sk_queue_walk(f->fd, false, dump_datagram, &q);
	if (err < 0 && err != -ENOMEM && !e->n_queue)
		err = sk_queue_walk(f->fd, false, dump_datagram, &q);
	return err < 0 ? log_errno(err, "%s: queued datagrams", file_desc_name(f)) : 0;
}

void inet_unmap(union sk_addr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = a->in6.sin6_port };

	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	memcpy(&in.sin_addr, &a->in6.sin6_addr.s6_addr[12], 4);
	a->in = in;
}

/* Where a datagram must go to arrive at a socket bound to @local. */
static void destination(union sk_addr *local, const union sk_addr *from)
{
	if (from->sa.sa_family == AF_INET6) {
		if (IN6_IS_ADDR_UNSPECIFIED(&local->in6.sin6_addr))
			local->in6.sin6_addr = in6addr_loopback;
		return;
	}
	if (local->sa.sa_family == AF_INET6) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = local->in6.sin6_port };

		local->in = in;
	}
	if (local->in.sin_addr.s_addr == INADDR_ANY)
		local->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* The address it was sent to, if one of ours can have that: *@to is changed then. */
static bool true_destination(const struct restore *r, const InetEntry *e, const InetMsgEntry *m,
			     union sk_addr *to)
{
	union sk_addr a = *to;
	ProtobufCBinaryData b = { .len = sizeof(a), .data = (uint8_t *)&a };

	if (!m->has_to)
		return false;
	if (m->to.len == 16 && to->sa.sa_family == AF_INET6)
		memcpy(&a.in6.sin6_addr, m->to.data, 16);
	else if (to->sa.sa_family == AF_INET) /* of an IPv4 address in an IPv6 one, the end */
		memcpy(&a.in.sin_addr, m->to.data + m->to.len - 4, 4);
	else
		return false;
	inet_follow(r, e->sock->net_ns_id, &b);
	if (a.sa.sa_family == AF_INET
		    ? IN_MULTICAST(ntohl(a.in.sin_addr.s_addr))
		    : IN6_IS_ADDR_MULTICAST(&a.in6.sin6_addr) || IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
		return false;
	*to = a;
	return true;
}

/* In pieces, if the kernel had put it together. */
static int send_pieces(int fd, const struct rawip_udp *whole, size_t piece)
{
	struct rawip_udp u = *whole;
	size_t at = 0;

	do {
		int err;

		u.data = (const char *)whole->data + at;
		u.len = MIN(piece, whole->len - at);
		err = rawip_send_udp(fd, &u);
		if (err < 0)
			return err;
		at += u.len;
	} while (at < whole->len);
	return 0;
}

/* By the loopback device alone: an address that is not ours any more is nobody's. */
static int send_again(const struct restore *r, const InetEntry *e, const InetMsgEntry *m, int ns_sock)
{
	struct rawip_udp u = { .tos = (uint8_t)m->tos,
			       .ttl = (uint8_t)(m->has_ttl ? m->ttl : 64),
			       .data = m->data.data,
			       .len = m->data.len };
	const size_t piece = m->segment ? m->segment : m->data.len;
	const int lo = LOOPBACK;
	union sk_addr usual;
	_cleanup_close_ int fd = -1;

	memcpy(&u.from, m->from.data, m->from.len);
	memcpy(&usual, e->local.data, e->local.len);
	inet_unmap(&u.from);
	inet_unmap(&usual);
	destination(&usual, &u.from);
	u.to = usual;
	fd = rawip_open(ns_sock, u.from.sa.sa_family);
	if (fd < 0)
		return fd;
	if (!true_destination(r, e, m, &u.to))
		return send_pieces(fd, &u, piece);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &lo, sizeof(lo)) == 0 &&
	    send_pieces(fd, &u, piece) == 0)
		return 0;
	close_fd(&fd); /* it was a broadcast */
	u.to = usual;
	fd = rawip_open(ns_sock, u.from.sa.sa_family);
	return fd < 0 ? fd : send_pieces(fd, &u, piece);
}

bool inet_queue_ok(const InetMsgEntry *m, uint32_t domain)
{
	return m->data.len <= 65535 && sk_inet_addr_ok(&m->from, domain) &&
	       (!m->has_to || m->to.len == 4 || m->to.len == 16) && m->tos <= UINT8_MAX &&
	       m->ttl <= UINT8_MAX && m->segment <= UINT16_MAX;
}

static int fill(const struct restore *r, const FileEntry *msg, int fd)
{
	const InetEntry *e = msg->inet;
	int roomy = 64 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, sizeof(roomy));
	for (size_t i = 0; i < e->n_queue; i++) {
		int err = send_again(r, e, e->queue[i], fd);

		if (err < 0)
			return log_errno(err, "%s: queue datagram %zu from %s", file_entry_name(msg), i + 1,
					 sk_addr_text(e->queue[i]->from.data, e->queue[i]->from.len));
	}
	return 0;
}

/* They come by the loopback device, and a socket that is bound to another would not have them. */
static int fill_by_any(const struct restore *r, const FileEntry *msg, int fd)
{
	const int link = sk_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX), none = 0;
	int err;

	if (link <= 0 || link == LOOPBACK)
		return fill(r, msg, fd);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &none, sizeof(none)) < 0)
		return log_errno(errno, "%s: receive by any link", file_entry_name(msg));
	err = fill(r, msg, fd);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &link, sizeof(link)) < 0)
		return log_errno(errno, "%s: bind to link %d again", file_entry_name(msg), link);
	return err;
}

int inet_queue_fill(const struct restore *r, const FileEntry *msg, int fd)
{
	const ReuseportEntry *group = msg->inet->sock->reuseport;
	int err, end;

	if (!msg->inet->n_queue)
		return 0;
	if (!group)
		return fill_by_any(r, msg, fd);
	err = reuse_choose(group, fd);
	if (err == 0) {
		err = fill_by_any(r, msg, fd);
		end = reuse_set(group, fd);
		err = err < 0 ? err : end;
	}
	return err < 0 ? log_errno(err, "%s: queue of a member of a group of SO_REUSEPORT",
				   file_entry_name(msg))
		       : 0;
}
