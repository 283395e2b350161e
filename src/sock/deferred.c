/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections whose client has done its part of the handshake, and that the kernel keeps as a request yet:
 * TCP_DEFER_ACCEPT waits for the first data. They are read by the BPF iterator (tcp_iter.c), and restored as
 * connections that wait to be accepted, as if the time of TCP_DEFER_ACCEPT had run out.
 *
 * Not shown by the kernel: the client's window, of which a segment is believed in.
 */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "sock/inet.h"
#include "sock/sk.h"
#include "sock/tcp_iter.h"
#include "sock/waiting.h"

#define REQUEST 12 /* TCP_NEW_SYN_RECV of net/tcp_states.h */
#define SEGMENT 536

struct collecting {
	struct waiting *w; /* NULL: only counted */
	uint32_t file_id;
	uint16_t family, port;
	size_t room; /* in the queue of the listening socket */
	size_t n, n_left;
};

static bool same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool is_known(const struct waiting *w, const TcpWaitingEntry *e)
{
	for (size_t i = 0; i < w->n_deferred; i++)
		if (same(&w->deferred[i]->local, &e->local) && same(&w->deferred[i]->remote, &e->remote))
			return true;
	return false;
}

static int fill(const struct tcp_iter_sock *s, TcpWaitingEntry *e)
{
	const uint32_t window[5] = { s->rcv_next, SEGMENT, SEGMENT, 0, s->rcv_next }; /* tcp_repair_window */
	TcpConnEntry *c = e->conn;

	c->state = TCP_ESTABLISHED;
	c->options = (s->wscale_ok ? TCPI_OPT_WSCALE : 0) | (s->sack_ok ? TCPI_OPT_SACK : 0);
	c->snd_wscale = s->wscale_ok ? s->snd_wscale : 0;
	c->rcv_wscale = s->wscale_ok ? s->rcv_wscale : 0;
	c->mss = s->mss;
	c->snd_seq = s->snd_next + 1; /* the SYN */
	c->rcv_seq = s->rcv_next;
	c->has_window = true;
	if (s->ts_recent) {
		c->options |= TCPI_OPT_TIMESTAMPS;
		c->has_timestamp = true;
		c->timestamp = (tcp_clock() + s->ts_offset) & ~1U; /* bit 0 is for microseconds */
	}
	if (sk_set_bytes(&c->window, window, sizeof(window)) < 0 || tcp_iter_addr(s, true, &e->local) < 0 ||
	    tcp_iter_addr(s, false, &e->remote) < 0)
		return -ENOMEM;
	return 0;
}

static int collect(void *arg, const struct tcp_iter_sock *s)
{
	struct collecting *c = arg;
	TcpWaitingEntry *e;
	int err = -ENOMEM;

	if (s->state != REQUEST || !s->acked || (c->w && (s->family != c->family || s->sport != c->port)))
		return 0;
	if (!c->w) {
		c->n++;
		return 0;
	}
	if (c->n == c->room) {
		c->n_left++;
		return 0;
	}
	e = malloc(sizeof(*e));
	if (!e || !GROW(c->w->deferred, c->w->n_deferred)) {
		free(e);
		return -ENOMEM;
	}
	tcp_waiting_entry__init(e);
	e->file_id = c->file_id;
	e->conn = malloc(sizeof(*e->conn));
	if (e->conn) {
		tcp_conn_entry__init(e->conn);
		err = fill(s, e);
	}
	if (err < 0 || is_known(c->w, e)) {
		tcp_waiting_entry__free_unpacked(e, NULL);
		return err;
	}
	c->w->deferred[c->w->n_deferred++] = e;
	c->n++;
	return 0;
}

size_t deferred_count(int ns_sock)
{
	_cleanup_close_ int nsfd = ioctl(ns_sock, SIOCGSKNS);
	struct collecting c = { 0 };

	return nsfd >= 0 && tcp_iter(nsfd, collect, &c) == 0 ? c.n : 0;
}

int deferred_note(struct waiting *w, const struct file_desc *f)
{
	_cleanup_close_ int nsfd = ioctl(f->fd, SIOCGSKNS);
	struct collecting c = { .w = w, .file_id = f->id };
	union sk_addr a = { 0 };
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(a), infolen = sizeof(info);
	int err = nsfd < 0 || getsockname(f->fd, &a.sa, &len) < 0 ? -errno : 0;

	if (getsockopt(f->fd, IPPROTO_TCP, TCP_INFO, &info, &infolen) == 0 &&
	    info.tcpi_sacked >= info.tcpi_unacked)
		c.room = info.tcpi_sacked - info.tcpi_unacked + 1;
	c.family = a.sa.sa_family;
	c.port = ntohs(a.in.sin_port);
	if (err == 0)
		err = tcp_iter(nsfd, collect, &c);
	if (c.n_left)
		log_warn("%s: %zu connections are more than its queue takes: given up", file_desc_name(f),
			 c.n_left);
	return err == -EOPNOTSUPP ? 0 : err;
}
