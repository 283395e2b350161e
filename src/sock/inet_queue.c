/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queued datagrams of UDP sockets. They come back as packets with the original sender's address,
 * written to a raw socket (IP_HDRINCL, raw(7)) in the socket's namespace and marked to pass the
 * network lock; they go over the loopback device to the local address.
 */
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

struct queue_dump {
	const struct file_desc *f;
	InetEntry *e;
};

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
	if (sk_set_bytes(&m->data, h->msg_iov->iov_base, len) < 0)
		return -ENOMEM;
	return sk_set_bytes(&m->from, h->msg_name, h->msg_namelen);
}

int inet_queue_dump(const struct file_desc *f, InetEntry *e)
{
	struct queue_dump q = { f, e };
	int err;

	if (e->sock->type != SOCK_DGRAM || e->sock->protocol != IPPROTO_UDP || !e->has_local)
		return 0;
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

static int send_again(const InetEntry *e, const InetMsgEntry *m, int ns_sock)
{
	_cleanup_free_ char *packet = calloc(1, sizeof(struct udphdr) + m->data.len);
	struct udphdr *udp = (void *)packet;
	union sk_addr from = { 0 }, to = { 0 };

	if (!packet)
		return -ENOMEM;
	memcpy(&from, m->from.data, m->from.len);
	memcpy(&to, e->local.data, e->local.len);
	inet_unmap(&from);
	inet_unmap(&to);
	destination(&to, &from);
	udp->source = from.in.sin_port;
	udp->dest = to.in.sin_port;
	udp->len = htons(sizeof(*udp) + m->data.len);
	if (m->data.len)
		memcpy(packet + sizeof(*udp), m->data.data, m->data.len);
	return rawip_send_udp(ns_sock, &from, &to, packet, sizeof(*udp) + m->data.len);
}

static int fill(const FileEntry *msg, int fd)
{
	const InetEntry *e = msg->inet;
	int roomy = 64 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &roomy, sizeof(roomy));
	for (size_t i = 0; i < e->n_queue; i++) {
		int err = send_again(e, e->queue[i], fd);

		if (err < 0)
			return log_errno(err, "%s: queue datagram %zu from %s", file_entry_name(msg), i + 1,
					 sk_addr_text(e->queue[i]->from.data, e->queue[i]->from.len));
	}
	return 0;
}

int inet_queue_fill(const FileEntry *msg, int fd)
{
	const ReuseportEntry *group = msg->inet->sock->reuseport;
	int err, end;

	if (!msg->inet->n_queue)
		return 0;
	if (!group)
		return fill(msg, fd);
	err = reuse_choose(group, fd);
	if (err == 0) {
		err = fill(msg, fd);
		end = reuse_set(group, fd);
		err = err < 0 ? err : end;
	}
	return err < 0 ? log_errno(err, "%s: queue of a member of a group of SO_REUSEPORT",
				   file_entry_name(msg))
		       : 0;
}
