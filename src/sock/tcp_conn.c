/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections, by TCP_REPAIR (tcp(7) is silent about it; net/ipv4/tcp.c of Linux 6.18).
 *
 * Dump: repair mode is entered for the reading only; data are peeked. Leaving it is silent
 * (TCP_REPAIR_OFF_NO_WP) and clears SO_REUSEADDR, which is put back.
 * Restore: both queues with their sequence numbers, negotiated options, timestamps and window. A FIN
 * that was sent goes into the send queue by shutdown(2) in repair mode; one that was received, and
 * the acknowledgement of ours, come as packets from the peer's address, written by us. Segments that
 * arrived out of order are not kept: peers send them again.
 */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "sock/inet.h"
#include "sock/opts.h"
#include "sock/rawip.h"
#include "sock/shared.h"
#include "sock/sk.h"
#include "sock/sock.h"

#define MAX_QUEUE (1U << 30)
#define CHUNK 65536
#define SEGMENT_ROOM 8192 /* what the kernel counts for a small segment, and more */

int tcp_set_int(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static bool fin_sent(unsigned int state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
	       state == TCP_LAST_ACK;
}

static bool fin_received(unsigned int state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK;
}

/* Sequence number and @len queued bytes of one direction. */
static int read_queue(int fd, int queue, uint32_t len, uint32_t *ret_seq, ProtobufCBinaryData *ret)
{
	socklen_t optlen = sizeof(*ret_seq);
	uint32_t done = 0;

	if (tcp_set_int(fd, TCP_REPAIR_QUEUE, queue) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, ret_seq, &optlen) < 0)
		return -errno;
	ret->data = malloc(len + 1);
	if (!ret->data)
		return -ENOMEM;
	if (len) {
		ssize_t n = sk_peek(fd, ret->data, len);

		if (n < 0)
			return (int)n;
		done = n;
	}
	ret->len = done;
	/* Peeking stops at urgent data; refused later, in clear words. */
	return done == len || queue == TCP_RECV_QUEUE ? 0 : -EPROTO;
}

/* How much is queued; a FIN counts as one byte everywhere and is taken off. */
static int read_queues(int fd, TcpConnEntry *c)
{
	int inq = 0, outq = 0, unsent = 0, err;
	bool fin_queued = fin_sent(c->state) && c->state != TCP_FIN_WAIT2;

	if (ioctl(fd, SIOCINQ, &inq) < 0 || ioctl(fd, SIOCOUTQ, &outq) < 0 ||
	    ioctl(fd, SIOCOUTQNSD, &unsent) < 0)
		return -errno;
	if (inq < 0 || outq < 0 || unsent < 0)
		return -ERANGE;
	if (fin_queued && outq)
		outq--;
	if (fin_queued && unsent)
		unsent--;
	err = read_queue(fd, TCP_RECV_QUEUE, inq, &c->rcv_seq, &c->rcv_queue);
	if (err == 0)
		err = read_queue(fd, TCP_SEND_QUEUE, outq, &c->snd_seq, &c->snd_queue);
	c->rcv_seq -= fin_received(c->state);
	c->snd_seq -= fin_sent(c->state);
	c->snd_unsent = unsent;
	return err;
}

static int read_options(int fd, TcpConnEntry *c)
{
	struct tcp_info info = { 0 };
	struct tcp_repair_window window;
	socklen_t len = sizeof(info), wlen = sizeof(window);
	int mss;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	c->state = info.tcpi_state;
	c->options = info.tcpi_options;
	c->snd_wscale = info.tcpi_snd_wscale;
	c->rcv_wscale = info.tcpi_rcv_wscale;
	mss = sk_int(fd, IPPROTO_TCP, TCP_MAXSEG);
	if (mss < 0)
		return mss;
	c->mss = mss;
	if (info.tcpi_options & TCPI_OPT_TIMESTAMPS) {
		len = sizeof(c->timestamp);
		c->has_timestamp = true;
		if (getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &c->timestamp, &len) < 0)
			return -errno;
	}
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &wlen) < 0)
		return -errno;
	c->has_window = true;
	return sk_set_bytes(&c->window, &window, sizeof(window));
}

struct seen {
	TcpConnEntry *c;
	uint32_t rqueue;
};

static int take_shutdown(void *arg, const void *payload, size_t len)
{
	struct seen *s = arg;
	TcpConnEntry *c = s->c;
	const struct inet_diag_msg *m = payload;
	const struct nlattr *a = (const void *)(m + 1);

	if (len >= sizeof(*m))
		s->rqueue = m->idiag_rqueue;
	for (len -= MIN(len, sizeof(*m)); mnl_attr_ok(a, len); a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) == INET_DIAG_SHUTDOWN) {
			c->has_shutdown = true;
			c->shutdown = mnl_attr_get_u8(a) & 3;
		}
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
	}
	return 0;
}

/*
 * Which halves were shut down: only sock_diag(7) tells; and, for data behind an urgent mark, how many
 * bytes there really are.
 */
static int read_shutdown(struct dump *d, const struct file_desc *f, const TcpEntry *t)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = t->sock->domain,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = -1U,
		.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
	};
	union sk_addr local = { 0 }, remote = { 0 };
	struct seen seen = { .c = t->conn };
	int link = sk_int(f->fd, SOL_SOCKET, SO_BINDTOIFINDEX), err;

	memcpy(&local, t->local.data, MIN(t->local.len, sizeof(local)));
	memcpy(&remote, t->remote.data, MIN(t->remote.len, sizeof(remote)));
	req.id.idiag_if = link > 0 ? link : 0; /* also that of link-local addresses */
	req.id.idiag_sport = local.in.sin_port;
	req.id.idiag_dport = remote.in.sin_port;
	if (t->sock->domain == AF_INET) {
		req.id.idiag_src[0] = local.in.sin_addr.s_addr;
		req.id.idiag_dst[0] = remote.in.sin_addr.s_addr;
	} else {
		memcpy(req.id.idiag_src, &local.in6.sin6_addr, 16);
		memcpy(req.id.idiag_dst, &remote.in6.sin6_addr, 16);
	}
	err = sk_diag(d, f->fd, &req, sizeof(req), false, take_shutdown, &seen);
	if (err < 0 || seen.rqueue <= t->conn->rcv_queue.len + fin_received(t->conn->state))
		return err;
	log_error("%s: urgent data (MSG_OOB) from %s are not read yet, which cannot be restored; try again",
		  file_desc_name(f), sk_addr_text(&remote, t->remote.len));
	return -EAGAIN;
}

int tcp_leave_repair(int fd, int reuse)
{
	int err = tcp_set_int(fd, TCP_REPAIR, TCP_REPAIR_OFF_SILENT);

	if (err == 0 && reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0)
		return -errno;
	return err;
}

static int note_held(struct dump *d, int fd, int reuse)
{
	struct sock_table *t = d->socks;

	if (!GROW(t->tcp, t->n_tcp))
		return -ENOMEM;
	t->tcp[t->n_tcp++] = (struct tcp_held){ .fd = fd, .reuse = reuse };
	return 0;
}

int tcp_conn_read(int fd, TcpConnEntry *c)
{
	int err = tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = read_options(fd, c);
	if (err == 0)
		err = read_queues(fd, c);
	tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	return err;
}

/* What the peer of a half-closed connection has said is said again by the loopback device. */
static int check_loopback(const struct file_desc *f, const TcpEntry *t)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	uint32_t state = t->conn->state;

	if (!fin_received(state) && state != TCP_FIN_WAIT2)
		return 0;
	if (ioctl(f->fd, SIOCGIFFLAGS, &ifr) < 0 || ifr.ifr_flags & IFF_UP)
		return 0;
	log_error(
		"%s: half-closed TCP connection with %s, which cannot be restored without a loopback device; "
		"set lo up in its network",
		file_desc_name(f), sk_addr_text(t->remote.data, t->remote.len));
	return -EAGAIN;
}

int tcp_conn_dump(struct dump *d, const struct file_desc *f, TcpEntry *t)
{
	int reuse = sk_int(f->fd, SOL_SOCKET, SO_REUSEADDR), err, left;
	TcpConnEntry *c = t->conn = malloc(sizeof(*c));

	if (!c)
		return log_oom();
	tcp_conn_entry__init(c);
	err = shared_lock(d, t);
	if (err < 0)
		return err;
	err = steward_note(d, f->fd, reuse);
	if (err < 0)
		return err;
	err = tcp_conn_read(f->fd, c);
	left = tcp_leave_repair(f->fd, reuse);
	steward_forget(d);
	if (err == 0 && left < 0)
		return log_errno(left, "%s: leave TCP repair mode", file_desc_name(f));
	if (err == 0)
		err = read_shutdown(d, f, t);
	if (err == 0)
		err = check_loopback(f, t);
	if (err == 0)
		err = note_held(d, f->fd, reuse);
	return err < 0 && err != -EAGAIN ? log_errno(err, "%s: read the TCP connection", file_desc_name(f))
					 : err;
}

int sock_hold(struct dump *d)
{
	for (size_t i = 0; d->socks && i < d->socks->n_tcp; i++) {
		struct tcp_held *h = &d->socks->tcp[i];
		int err = steward_note(d, h->fd, h->reuse);

		if (err == 0)
			err = tcp_set_int(h->fd, TCP_REPAIR, 1);
		if (err < 0)
			return log_errno(err, "TCP connection: enter repair mode");
		h->held = true;
	}
	return 0;
}

int sock_release(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; d->socks && i < d->socks->n_tcp; i++) {
		struct tcp_held *h = &d->socks->tcp[i];
		int err = h->held ? tcp_leave_repair(h->fd, h->reuse) : 0;

		if (err < 0)
			ret = log_errno(err, "TCP connection: leave repair mode");
		h->held = false;
	}
	steward_forget(d);
	return ret;
}

bool tcp_conn_ok(const TcpConnEntry *c)
{
	return tcp_state_connected(c->state) && c->snd_queue.len <= MAX_QUEUE &&
	       c->rcv_queue.len <= MAX_QUEUE && c->snd_unsent <= c->snd_queue.len && c->mss <= UINT16_MAX &&
	       c->snd_wscale <= 14 && c->rcv_wscale <= 14 &&
	       (!c->has_window || c->window.len == sizeof(struct tcp_repair_window));
}

int tcp_set_seq(int fd, int queue, uint32_t seq)
{
	if (tcp_set_int(fd, TCP_REPAIR_QUEUE, queue) < 0)
		return -errno;
	return tcp_set_int(fd, TCP_QUEUE_SEQ, seq);
}

/* The kernel takes as much in one piece as it finds memory for. */
static int send_chunks(int fd, const uint8_t *data, size_t len)
{
	size_t chunk = CHUNK;

	while (len) {
		ssize_t n = send(fd, data, MIN(len, chunk), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == ENOMEM && chunk > 1024) {
			chunk /= 2;
			continue;
		}
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

static int fill_queues(int fd, const TcpConnEntry *c)
{
	int err = tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);

	if (err == 0)
		err = send_chunks(fd, c->rcv_queue.data, c->rcv_queue.len);
	if (err == 0)
		err = tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
	if (err == 0)
		err = send_chunks(fd, c->snd_queue.data, c->snd_queue.len - c->snd_unsent);
	return err < 0 ? err : tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
}

int tcp_conn_negotiate(int fd, const TcpConnEntry *c)
{
	struct tcp_repair_opt o[4];
	size_t n = 0;

	o[n++] = (struct tcp_repair_opt){ TCPOPT_MAXSEG, c->mss };
	if (c->options & TCPI_OPT_WSCALE)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_WINDOW, c->snd_wscale | c->rcv_wscale << 16 };
	if (c->options & TCPI_OPT_SACK)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_SACK_PERMITTED, 0 };
	if (c->options & TCPI_OPT_TIMESTAMPS)
		o[n++] = (struct tcp_repair_opt){ TCPOPT_TIMESTAMP, 0 };
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, o, n * sizeof(*o)) < 0)
		return -errno;
	return c->has_timestamp ? tcp_set_int(fd, TCP_TIMESTAMP, c->timestamp) : 0;
}

/*
 * connect(2) chooses a scale for the window it will promise, which stays where none was agreed on, unknown to
 * the peer. To a window that needs none it gives none.
 */
static int avoid_scale(const TcpConnEntry *c, int fd)
{
	return c->options & TCPI_OPT_WSCALE ? 0 : tcp_set_int(fd, TCP_WINDOW_CLAMP, UINT16_MAX);
}

static int connect_silently(const FileEntry *msg, const TcpEntry *t, int fd)
{
	const TcpConnEntry *c = t->conn;
	int err = tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = tcp_set_seq(fd, TCP_SEND_QUEUE, c->snd_seq - c->snd_queue.len);
	if (err == 0)
		err = tcp_set_seq(fd, TCP_RECV_QUEUE, c->rcv_seq - c->rcv_queue.len);
	if (err == 0)
		err = avoid_scale(c, fd);
	if (err < 0)
		return log_errno(err, "%s: TCP repair mode", file_entry_name(msg));
	if (bind(fd, (struct sockaddr *)t->local.data, t->local.len) < 0)
		return log_errno(errno, "%s: bind to %s", file_entry_name(msg),
				 sk_addr_text(t->local.data, t->local.len));
	if (connect(fd, (struct sockaddr *)t->remote.data, t->remote.len) < 0)
		return log_errno(errno, "%s: connect %s to %s", file_entry_name(msg),
				 sk_addr_text(t->local.data, t->local.len),
				 sk_addr_text(t->remote.data, t->remote.len));
	return 0;
}

/*
 * The receive window is closed, or less is open than the unit it is counted in. A peer that has sent less
 * than a unit beyond it (the window was closed for want of memory, then) puts that number on all its segments
 * (tcp_acceptable_seq()), and Linux 6.17 takes none of these: not even how wide the peer's window is would be
 * learned. So a unit is opened, and there is room for it (tcp_conn_room()).
 */
static bool window_shut(const TcpConnEntry *c, const struct tcp_repair_window *w)
{
	return (int32_t)(w->rcv_wup + w->rcv_wnd - c->rcv_seq) < 1 << c->rcv_wscale;
}

static uint32_t seq_min(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0 ? b : a;
}

/*
 * The FIN that comes later is not counted yet. The send window may have been learned from a segment out
 * of order, which the peer sends again: the kernel takes no such number when the receive window has
 * closed since, for want of memory.
 */
static int set_window(int fd, const TcpConnEntry *c)
{
	struct tcp_repair_window w;

	memcpy(&w, c->window.data, sizeof(w));
	w.rcv_wup = seq_min(w.rcv_wup, c->rcv_seq);
	w.snd_wl1 = seq_min(w.snd_wl1, c->rcv_seq);
	if (window_shut(c, &w))
		w.rcv_wnd = c->rcv_seq - w.rcv_wup + (1U << c->rcv_wscale);
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w)) < 0 ? -errno : 0;
}

/*
 * The segment size in use is still that of the connect(2) in repair mode, which knew no better than the
 * smallest: setting (no) IP options computes it anew.
 */
static int sync_mss(int fd)
{
	return setsockopt(fd, IPPROTO_IP, IP_OPTIONS, NULL, 0) < 0 ? -errno : 0;
}

/*
 * Room for the queues, however their pieces fall. Not before connect(2), which makes the bound of the receive
 * window of it, and not longer than they are filled: the window would be promised by it.
 */
static void make_room(int fd, const TcpConnEntry *c)
{
	int snd = 65536 + 4 * MIN(c->snd_queue.len, MAX_QUEUE / 8),
	    rcv = 65536 + 4 * MIN(c->rcv_queue.len, MAX_QUEUE / 8);

	if (sk_int(fd, SOL_SOCKET, SO_SNDBUF) < snd)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd));
	if (sk_int(fd, SOL_SOCKET, SO_RCVBUF) < rcv)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcv, sizeof(rcv));
}

int tcp_conn_restore(const FileEntry *msg, const TcpEntry *t, int fd)
{
	const TcpConnEntry *c = t->conn;
	int usual = sk_int(fd, SOL_SOCKET, SO_RCVBUF) / 2; /* it shows the double of what is set */
	int err = opts_restore_buffers(msg, t->sock, fd), rcvbuf = sk_int(fd, SOL_SOCKET, SO_RCVBUF) / 2;

	if (rcvbuf < usual)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &usual, sizeof(usual));
	if (err == 0)
		err = connect_silently(msg, t, fd);
	if (err < 0)
		return err;
	err = tcp_conn_negotiate(fd, c);
	if (err < 0)
		return log_errno(err, "%s: TCP options", file_entry_name(msg));
	make_room(fd, c);
	err = fill_queues(fd, c);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf));
	if (err < 0)
		return log_errno(err, "%s: TCP queues", file_entry_name(msg));
	err = c->has_window ? set_window(fd, c) : 0;
	if (err == 0)
		err = sync_mss(fd);
	return err < 0 ? log_errno(err, "%s: TCP window", file_entry_name(msg)) : 0;
}

unsigned int tcp_conn_state(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ? 0 : info.tcpi_state;
}

int tcp_peer_says(const TcpEntry *t, int fd, struct tcphdr *h)
{
	struct tcp_repair_window window = { 0 };
	union sk_addr from = { 0 }, to = { 0 };

	memcpy(&from, t->remote.data, t->remote.len);
	memcpy(&to, t->local.data, t->local.len);
	inet_unmap(&from);
	inet_unmap(&to);
	if (t->conn && t->conn->has_window) {
		memcpy(&window, t->conn->window.data, sizeof(window));
		h->window = htons(MIN(window.snd_wnd >> t->conn->snd_wscale, 65535U));
	}
	h->doff = sizeof(*h) / 4;
	h->source = from.in.sin_port;
	h->dest = to.in.sin_port;
	return rawip_send_tcp(fd, &from, &to, h, sizeof(*h));
}

static int peer_says(const TcpEntry *t, int fd, bool fin, uint32_t seq, uint32_t ack)
{
	struct tcphdr h = { .ack = 1, .fin = fin, .seq = htonl(seq), .ack_seq = htonl(ack) };

	return tcp_peer_says(t, fd, &h);
}

/* Our FIN as one that was sent, in repair mode; or as a part of what is sent from now on. */
static int say_fin(const TcpConnEntry *c, int fd)
{
	int err = c->snd_unsent ? 0 : tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);

	if (err == 0 && shutdown(fd, SHUT_WR) < 0)
		err = -errno;
	return err < 0 || c->snd_unsent ? err : tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
}

/* FINs in the order that leads to the state; the unsent rest of the data goes before our own. */
static int restore_fins(const TcpEntry *t, int fd)
{
	const TcpConnEntry *c = t->conn;
	uint32_t una = c->snd_seq - c->snd_queue.len;
	int err = 0;

	if (c->state == TCP_CLOSE_WAIT || c->state == TCP_LAST_ACK)
		err = peer_says(t, fd, true, c->rcv_seq, una);
	if (err == 0 && fin_sent(c->state))
		err = say_fin(c, fd);
	if (err == 0 && c->state == TCP_FIN_WAIT2)
		err = peer_says(t, fd, false, c->rcv_seq, c->snd_seq + 1);
	if (err == 0 && c->state == TCP_CLOSING)
		err = peer_says(t, fd, true, c->rcv_seq, una);
	/* The packets are on the loopback device's way: a moment at most. */
	for (int i = 0; err == 0 && tcp_conn_state(fd) != c->state; i++) {
		struct timespec ms = { .tv_nsec = 1000000 };

		if (i == 1000)
			return -EPROTO;
		nanosleep(&ms, NULL);
	}
	return err;
}

static int send_rest(const TcpConnEntry *c, int fd)
{
	return send_chunks(fd, c->snd_queue.data + c->snd_queue.len - c->snd_unsent, c->snd_unsent);
}

int tcp_conn_finish(const FileEntry *msg, const TcpEntry *t, int fd)
{
	const TcpConnEntry *c = t->conn;
	int err = c->snd_unsent ? 0 : restore_fins(t, fd);

	if (err == 0)
		err = tcp_set_int(fd, TCP_REPAIR, 0);
	if (err == 0 && c->snd_unsent)
		err = send_rest(c, fd);
	if (err == 0 && c->snd_unsent)
		err = restore_fins(t, fd);
	/* shutdown(SHUT_RD) alone says nothing to the peer. */
	if (err == 0 && (c->shutdown & 1) && !fin_received(c->state) && shutdown(fd, SHUT_RD) < 0)
		err = -errno;
	return err < 0 ? log_errno(err, "%s: TCP connection with %s in state %u (now %u)",
				   file_entry_name(msg), sk_addr_text(t->remote.data, t->remote.len),
				   c->state, tcp_conn_state(fd))
		       : 0;
}

void tcp_conn_room(const TcpConnEntry *c, int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	struct tcp_repair_window w;
	socklen_t len = sizeof(info);
	int lock, room;

	if (!c->has_window)
		return;
	memcpy(&w, c->window.data, sizeof(w));
	if (!window_shut(c, &w) || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return;
	room = (int)MIN(info[SK_MEMINFO_RMEM_ALLOC], MAX_QUEUE) + (2 << c->rcv_wscale) + SEGMENT_ROOM;
	if (info[SK_MEMINFO_RCVBUF] >= (uint32_t)room)
		return;
	lock = sk_int(fd, SOL_SOCKET, SO_BUF_LOCK);
	room /= 2; /* the kernel doubles it */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock));
}
