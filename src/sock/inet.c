/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP, UDP-Lite, ping and raw sockets, udp(7), raw(7).
 *
 * Shown by the kernel: addresses, options, queued datagrams with their senders; multicast groups only
 * by asking for each group of the namespace (mcast.c). Queued datagrams are sent again from a raw
 * socket with the sender's address (inet_queue.c); what ancillary data says of them then (interface,
 * time) is of the second arrival. Queues of raw sockets are lost, as a network may lose packets,
 * with a warning; so are errors that wait to be read, and time stamps of what was sent (MSG_ERRQUEUE).
 */
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "net/net.h"
#include "sock/flowlabel.h"
#include "sock/hidden.h"
#include "sock/inet.h"
#include "sock/kinds.h"
#include "sock/opts.h"
#include "sock/reuse.h"
#include "sock/sk.h"

static bool inet_match(const struct file_desc *f)
{
	for (int type = SOCK_DGRAM; type <= SOCK_RAW; type++)
		if (sk_is(f, AF_INET, type, -1) || sk_is(f, AF_INET6, type, -1))
			return true;
	return false;
}

bool inet_addr_any(const ProtobufCBinaryData *b)
{
	union sk_addr a = { 0 };

	if (b->len)
		memcpy(&a, b->data, MIN(b->len, sizeof(a)));
	if (a.sa.sa_family == AF_INET)
		return !a.in.sin_port && a.in.sin_addr.s_addr == INADDR_ANY;
	return !a.in6.sin6_port && IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr);
}

int inet_dump_addrs(const struct file_desc *f, ProtobufCBinaryData *local, protobuf_c_boolean *has_local,
		    ProtobufCBinaryData *remote, protobuf_c_boolean *has_remote)
{
	int ret = sk_dump_addr(f->fd, false, local);

	if (ret < 0)
		return log_errno(ret, "%s: getsockname", file_desc_name(f));
	*has_local = ret;
	ret = sk_dump_addr(f->fd, true, remote);
	if (ret < 0)
		return log_errno(ret, "%s: getpeername", file_desc_name(f));
	*has_remote = ret;
	return 0;
}

/* Data that is held back (UDP_CORK, MSG_MORE) cannot be read; only that there is some. */
static int check_corked(struct dump *d, const struct file_desc *f)
{
	struct hidden h;
	int busy = 0;

	if (ioctl(f->fd, SIOCOUTQ, &busy) < 0 || !busy)
		return 0;
	/* Or it is on its way. */
	if (hidden_of(d, f, &h) < 0)
		h.held = sk_int(f->fd, IPPROTO_UDP, UDP_CORK) > 0;
	if (!h.held)
		return 0;
	log_error("%s: a datagram is being put together (UDP_CORK, MSG_MORE); try again", file_desc_name(f));
	return -EAGAIN;
}

/* What failed, and time stamps of what was sent. */
static void warn_errors(const struct file_desc *f)
{
	struct pollfd p = { .fd = f->fd };

	if (poll(&p, 1, 0) == 1 && p.revents & POLLERR)
		log_warn("%s: errors or time stamps that wait to be read (SO_ERROR, MSG_ERRQUEUE) are not in "
			 "the image",
			 file_desc_name(f));
}

static int dump_entry(struct dump *d, const struct file_desc *f, InetEntry *e)
{
	int ret = opts_dump(d, f, &e->sock);

	if (ret == 0 && e->sock->type == SOCK_DGRAM)
		ret = reuse_dump(d, f, e->sock);
	if (ret == 0 && e->sock->type == SOCK_DGRAM)
		ret = check_corked(d, f);
	if (ret == 0)
		ret = inet_dump_addrs(f, &e->local, &e->has_local, &e->remote, &e->has_remote);
	if (ret == 0)
		ret = flowlabel_dump(d, f, e->sock, &e->remote);
	if (ret == 0 && e->sock->type == SOCK_RAW && !e->has_remote)
		ret = inet_raw_remote(f, e);
	if (ret == 0)
		ret = mcast_dump(d, f, e);
	if (ret == 0)
		warn_errors(f);
	if (ret == 0)
		ret = inet_queue_dump(f, e);
	if (ret == 0 && e->sock->type == SOCK_RAW)
		sk_warn_queue(f, "packets");
	return ret;
}

static int inet_survey(struct dump *d, const struct file_desc *f)
{
	return sk_int(f->fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM ? reuse_survey(d, f) : 0;
}

static int inet_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	InetEntry *e = malloc(sizeof(*e));
	int ret;

	if (!e)
		return log_oom();
	inet_entry__init(e);
	ret = dump_entry(d, f, e);
	if (ret < 0) {
		inet_entry__free_unpacked(e, NULL);
		return ret;
	}
	msg->kind_case = FILE_ENTRY__KIND_INET;
	msg->inet = e;
	return 0;
}

static int inet_deps(struct restore *r, const FileEntry *msg)
{
	const InetEntry *e = msg->inet;
	uint32_t domain = e->sock->domain;
	bool ok = (domain == AF_INET || domain == AF_INET6) && e->shutdown <= 3 &&
		  (e->sock->type == SOCK_DGRAM || e->sock->type == SOCK_RAW) &&
		  (!e->has_local || sk_inet_addr_ok(&e->local, domain)) &&
		  (!e->has_remote || sk_inet_addr_ok(&e->remote, domain));

	for (size_t i = 0; ok && i < e->n_queue; i++)
		ok = inet_queue_ok(e->queue[i], domain);
	for (size_t i = 0; ok && i < e->n_groups; i++)
		ok = mcast_ok(e->groups[i]);
	if (ok)
		return opts_check(msg, e->sock) ?: reuse_deps(r, msg);
	log_error("%s: the image has no sane internet socket here", file_entry_name(msg));
	return -EBADMSG;
}

static struct rtask *inet_maker(struct restore *r, const FileEntry *msg)
{
	return sk_maker(r, msg->inet->sock->net_ns_id);
}

/*
 * Two sockets on one port were bound when their options allowed it; these may have changed since.
 * So sharing is allowed for the moment of bind(2), the true values are set with the late options.
 */
int inet_bind(const FileEntry *msg, const ProtobufCBinaryData *local, int fd)
{
	union sk_addr a;
	int one = 1, old = sk_int(fd, SOL_SOCKET, SO_REUSEADDR);

	memcpy(&a, local->data, MIN(local->len, sizeof(a)));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a.sa, local->len) < 0)
		return log_errno(errno, "%s: bind to %s", file_entry_name(msg), sk_addr_text(&a, local->len));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &old, sizeof(old));
	return 0;
}

bool inet_follow(const struct restore *r, uint32_t ns_id, const ProtobufCBinaryData *local)
{
	union sk_addr a = { 0 };
	bool moved;

	memcpy(&a, local->data, MIN(local->len, sizeof(a)));
	if (a.sa.sa_family == AF_INET)
		moved = net_address_moved(r, ns_id, AF_INET, (uint8_t *)&a.in.sin_addr);
	else if (IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr))
		moved = net_address_moved(r, ns_id, AF_INET, &a.in6.sin6_addr.s6_addr[12]);
	else
		moved = net_address_moved(r, ns_id, AF_INET6, a.in6.sin6_addr.s6_addr);
	memcpy(local->data, &a, MIN(local->len, sizeof(a)));
	return moved;
}

static int inet_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const InetEntry *e = msg->inet;
	_cleanup_close_ int fd = sk_make(msg, e->sock, hand);
	int err = fd < 0 ? fd : opts_restore_early(msg, e->sock, fd);

	if (err == 0)
		err = flowlabel_restore(msg, e->sock, fd);
	if (e->has_local)
		inet_follow(r, e->sock->net_ns_id, &e->local);
	if (err == 0 && e->has_local && (e->sock->type == SOCK_RAW || !inet_addr_any(&e->local)))
		err = inet_bind(msg, &e->local, fd);
	if (err == 0 && e->has_remote && connect(fd, (struct sockaddr *)e->remote.data, e->remote.len) < 0)
		err = log_errno(errno, "%s: connect to %s", file_entry_name(msg),
				sk_addr_text(e->remote.data, e->remote.len));
	if (err == 0)
		err = mcast_restore(msg, e, fd);
	return err < 0 ? err : take_fd(&fd);
}

static int inet_finish(struct restore *r, const FileEntry *msg, int fd)
{
	int err = inet_queue_fill(r, msg, fd);

	if (err == 0)
		err = opts_restore_late(r, msg, msg->inet->sock, fd);
	return err < 0 ? err : reuse_restore(msg, msg->inet->sock, fd);
}

const struct file_ops inet_ops = {
	.name = "internet socket",
	.kind = FILE_ENTRY__KIND_INET,
	.match = inet_match,
	.survey = inet_survey,
	.dump = inet_dump,
	.deps = inet_deps,
	.maker = inet_maker,
	.restore = inet_restore,
	.finish = inet_finish,
};
