/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can what is taken out of a listening socket's queue be put back? Its peer's segments come over the loopback
 * device then, and a packet filter of the container may drop them. So one is sent before anything is taken: a
 * probe as keepalive sends it (the byte before the next one), which nobody notices; that it came is seen by
 * the segments the connection has counted.
 */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "sock/reqsk.h"
#include "sock/sk.h"
#include "sock/tcp_iter.h"
#include "sock/waiting.h"

#define PATIENCE 200 /* ms */
#define ESTABLISHED 1 /* net/tcp_states.h */
#define CLOSE_WAIT 8

struct knock {
	uint16_t port;
	bool found;
	TcpWaitingEntry e;
	TcpConnEntry c;
	struct inet_diag_req_v2 req; /* for the connection */
};

/* Any that waits at the port. */
static int find(void *arg, const struct tcp_iter_sock *s)
{
	struct knock *k = arg;

	if (k->found || s->sport != k->port || (s->state != ESTABLISHED && s->state != CLOSE_WAIT))
		return 0;
	if (tcp_iter_addr(s, true, &k->e.local) < 0 || tcp_iter_addr(s, false, &k->e.remote) < 0)
		return -ENOMEM;
	k->found = true;
	k->c.snd_seq = s->snd_next;
	k->c.rcv_seq = s->rcv_next;
	k->req = (struct inet_diag_req_v2){
		.sdiag_family = s->family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_ext = 1 << (INET_DIAG_INFO - 1),
		.idiag_states = -1U,
		.id = { .idiag_sport = htons(s->sport),
			.idiag_dport = s->dport,
			.idiag_if = s->ifindex,
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	if (s->family == AF_INET) {
		k->req.id.idiag_src[0] = s->src;
		k->req.id.idiag_dst[0] = s->dst;
	} else {
		memcpy(k->req.id.idiag_src, s->src6, 16);
		memcpy(k->req.id.idiag_dst, s->dst6, 16);
	}
	return 0;
}

static int take_count(void *arg, const void *payload, size_t len)
{
	const struct nlattr *a = (const void *)((const struct inet_diag_msg *)payload + 1);
	const size_t end = offsetof(struct tcp_info, tcpi_segs_in) + sizeof(uint32_t);

	for (len -= MIN(len, sizeof(struct inet_diag_msg)); mnl_attr_ok(a, (int)len); a = mnl_attr_next(a)) {
		const char *info = mnl_attr_get_payload(a);

		if (mnl_attr_get_type(a) == INET_DIAG_INFO && mnl_attr_get_payload_len(a) >= end)
			memcpy(arg, info + end - sizeof(uint32_t), sizeof(uint32_t));
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
	}
	return 0;
}

static int count_segments(struct dump *d, int fd, const struct knock *k, uint32_t *ret)
{
	return sk_diag(d, fd, &k->req, sizeof(k->req), false, take_count, ret);
}

static int knock(struct dump *d, int fd, const struct knock *k, struct reqsk *q)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	uint32_t before = 0, now = 0;
	int err = count_segments(d, fd, k, &before);

	if (err >= 0)
		err = reqsk_knock(q, fd, &k->e);
	if (err < 0)
		return err == -EPERM ? -EBUSY : err;
	for (int i = 0; i < PATIENCE; i++) {
		err = count_segments(d, fd, k, &now);
		if (err < 0 || now != before)
			return err;
		nanosleep(&ms, NULL);
	}
	return -EBUSY;
}

int waiting_knock(struct dump *d, const struct file_desc *f, struct reqsk *q)
{
	_cleanup_close_ int nsfd = ioctl(f->fd, SIOCGSKNS);
	struct knock k = { .e = TCP_WAITING_ENTRY__INIT, .c = TCP_CONN_ENTRY__INIT };
	union sk_addr a = { 0 };
	socklen_t len = sizeof(a);
	int err = nsfd < 0 || getsockname(f->fd, &a.sa, &len) < 0 ? -errno : 0;

	k.e.conn = &k.c;
	k.port = ntohs(a.in.sin_port);
	if (err == 0)
		err = tcp_iter(nsfd, find, &k);
	if (err == 0 && k.found)
		err = knock(d, f->fd, &k, q);
	free(k.e.local.data);
	free(k.e.remote.data);
	return err == -EOPNOTSUPP ? 0 : err;
}
