/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections that no descriptor reaches: half-open ones (their last packet may be on the way),
 * and closed ones whose last data are not acknowledged. Both pass in a moment, so the dump is begun
 * again; those that stay (a scan, a peer that is gone) are given up with a line.
 */
#include <linux/inet_diag.h>
#include <netinet/tcp.h>

#include "base/log.h"
#include "sock/inet.h"
#include "sock/iter.h"
#include "sock/sk.h"
#include "sock/waiting.h"

#define PATIENCE 8 /* attempts */
#define STATES (1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 | 1 << TCP_CLOSING | 1 << TCP_LAST_ACK)

struct in_flight {
	unsigned int opening, closing;
};

static int count(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	struct in_flight *n = arg;

	if (len < sizeof(*m) || m->idiag_inode)
		return 0;
	if (m->idiag_state == TCP_SYN_RECV)
		n->opening++;
	else if (m->idiag_wqueue > 1 || !iter_possible())
		n->closing++; /* with nothing but its FIN it is dumped: tcp_orphan.c */
	return 0;
}

static int ask(struct dump *d, int fd, struct in_flight *ret)
{
	int sock = sk_diag_of(d, fd);

	return sock < 0 ? sock : sk_diag_tcp(sock, STATES, 0, count, ret);
}

/* Those that are connections for their clients: the listening socket takes care of them. */
static void leave_deferred(struct dump *d, int fd, struct in_flight *n)
{
	const size_t asked = deferred_count(fd); /* once: it reads the whole namespace */
	const unsigned int deferred = (unsigned int)MIN(n->opening, asked);

	n->opening -= deferred;
	d->socks->deferred |= deferred;
}

int tcp_in_flight(struct dump *d, const struct file_desc *f, uint32_t ns_id)
{
	struct in_flight n = { 0 };
	int err;

	if (!ns_id || !sk_table(d) || map_get(&d->socks->asked, ns_id))
		return 0;
	err = ask(d, f->fd, &n);
	if (err >= 0 && n.opening && d->opt->tcp_established && !d->opt->tcp_close)
		leave_deferred(d, f->fd, &n);
	if (err >= 0)
		err = map_put(&d->socks->asked, ns_id, d);
	if (err < 0)
		return log_errno(err, "%s: sock_diag for connections on their way", file_desc_name(f));
	if (!n.opening && !n.closing)
		return 0;
	if (d->attempt < PATIENCE) {
		log_info("%u TCP connections are being opened, %u closed", n.opening, n.closing);
		return -EAGAIN;
	}
	log_warn("network namespace %u: given up: %u TCP connections half open, %u closed with data not "
		 "acknowledged",
		 ns_id, n.opening, n.closing);
	return 0;
}
