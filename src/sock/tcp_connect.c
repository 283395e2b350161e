/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections being made (SYN-SENT): connect(2) has been called, and no answer has come.
 *
 * Shown by the kernel: the addresses (the remote one by sock_diag(7) only) and, in repair mode, the
 * initial sequence number. The restored socket is bound to the same address and port and begins again
 * with the same number, so that a peer that has seen the first SYN takes the next for its repetition.
 * That is done when the network is open again: a SYN lost to our own lock would cost a second. Not
 * shown are how often the SYN was sent and when it will be again: both begin anew. Data that went with
 * the SYN (TCP_FASTOPEN) cannot be sent so again: refused for the moment (-EAGAIN), as an answer is
 * near or the data are queued.
 *
 * Given up (--skip-in-flight, --tcp-close), it is restored as one that was refused: the socket has
 * ECONNREFUSED to report, which every program that connects must expect.
 */
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "base/log.h"
#include "sock/flowlabel.h"
#include "sock/inet.h"
#include "sock/opts.h"
#include "sock/sk.h"
#include "sock/sock.h"

/* What the kernel begins with when the owner set none, by address family. */
#define MSS_DEFAULT4 536
#define MSS_DEFAULT6 1220

static int note_connecting(void *arg, const void *payload, size_t len)
{
	struct map *found = arg;
	const struct inet_diag_msg *m = payload;
	struct inet_diag_sockid *id;

	if (len < sizeof(*m) || !m->idiag_inode || map_get(found, m->idiag_inode))
		return 0;
	id = malloc(sizeof(*id));
	if (!id)
		return -ENOMEM;
	*id = m->id;
	if (map_put(found, m->idiag_inode, id) < 0) {
		free(id);
		return -ENOMEM;
	}
	return 0;
}

/* The ends of a connecting socket. All of its namespace are read at once when the first is asked for. */
static int find_ends(struct dump *d, const struct file_desc *f, struct inet_diag_sockid *ret)
{
	struct sock_table *t = sk_table(d);
	const struct inet_diag_sockid *id;
	int err = 0;

	if (!t)
		return -ENOMEM;
	if (!map_get(&t->connecting, f->st.st_ino))
		err = sk_diag_of(d, f->fd);
	if (err > 0)
		err = sk_diag_tcp(err, 1 << TCP_SYN_SENT, 0, note_connecting, &t->connecting);
	id = map_get(&t->connecting, f->st.st_ino);
	if (!id)
		return err < 0 ? err : -EAGAIN; /* it has just come to an end */
	*ret = *id;
	return 0;
}

static int set_remote(const struct file_desc *f, const struct inet_diag_sockid *id, TcpEntry *t)
{
	union sk_addr a = { 0 };

	a.sa.sa_family = t->sock->domain;
	if (t->sock->domain == AF_INET) {
		a.in.sin_port = id->idiag_dport;
		a.in.sin_addr.s_addr = id->idiag_dst[0];
	} else {
		a.in6.sin6_port = id->idiag_dport;
		memcpy(&a.in6.sin6_addr, id->idiag_dst, sizeof(a.in6.sin6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
			a.in6.sin6_scope_id = id->idiag_if;
		if (t->sock->n_labels)
			a.in6.sin6_flowinfo = flowlabel_in_use(f->fd);
	}
	t->has_remote = true;
	return sk_set_bytes(&t->remote, &a, t->sock->domain == AF_INET ? sizeof(a.in) : sizeof(a.in6));
}

/* TCP_FASTOPEN_CONNECT: the SYN waits for the first data, the socket says that it is connected. */
static bool is_deferred(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* In repair mode: the initial sequence number and the maximum segment size that the owner set. */
static int read_repair(const struct file_desc *f, uint32_t *ret_isn, int *ret_mss)
{
	socklen_t len = sizeof(*ret_isn);
	uint32_t next;
	char c;

	if (tcp_set_int(f->fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE) < 0 ||
	    getsockopt(f->fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &next, &len) < 0)
		return -errno;
	if (recv(f->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		log_error("%s: is just connecting, with data (TCP_FASTOPEN); try again", file_desc_name(f));
		return -EAGAIN;
	}
	*ret_isn = next - !is_deferred(f->fd);
	*ret_mss = sk_int(f->fd, IPPROTO_TCP, TCP_MAXSEG);
	return 0;
}

static int read_isn(struct dump *d, const struct file_desc *f, uint32_t *ret_isn, int *ret_mss)
{
	int reuse = sk_int(f->fd, SOL_SOCKET, SO_REUSEADDR), left;
	int err = steward_note(d, f->fd, reuse);

	if (err < 0)
		return err;
	err = tcp_set_int(f->fd, TCP_REPAIR, 1);
	if (err < 0)
		return log_errno(err, "%s: enter TCP repair mode", file_desc_name(f));
	err = read_repair(f, ret_isn, ret_mss);
	tcp_set_int(f->fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	left = tcp_leave_repair(f->fd, reuse);
	steward_forget(d);
	if (left < 0)
		return log_errno(left, "%s: leave TCP repair mode", file_desc_name(f));
	return err;
}

int tcp_connecting_dump(struct dump *d, const struct file_desc *f, TcpEntry *t)
{
	TcpConnectingEntry *c = t->connecting = malloc(sizeof(*c));
	struct inet_diag_sockid id;
	int err, mss = 0;

	if (!c)
		return log_oom();
	tcp_connecting_entry__init(c);
	err = find_ends(d, f, &id);
	if (err < 0)
		return log_errno(err, "%s: whom it is connecting to (sock_diag)", file_desc_name(f));
	if (set_remote(f, &id, t) < 0)
		return log_oom();
	err = read_isn(d, f, &c->isn, &mss);
	if (err < 0)
		return err;
	opts_drop(t->sock, IPPROTO_TCP, TCP_MAXSEG);
	if (mss > 0 && mss != MSS_DEFAULT4 && mss != MSS_DEFAULT6)
		err = opts_add_int(t->sock, IPPROTO_TCP, TCP_MAXSEG, mss);
	/* Until the first window is chosen it is what the owner set, or as large as can be. */
	if (sk_int(f->fd, IPPROTO_TCP, TCP_WINDOW_CLAMP) >= UINT16_MAX)
		opts_drop(t->sock, IPPROTO_TCP, TCP_WINDOW_CLAMP);
	c->has_given_up = true;
	/* LXC passes --skip-in-flight always, as CRIU could not do without. */
	c->given_up = (d->opt->skip_in_flight && !d->opt->criu) || d->opt->tcp_close;
	if (c->given_up)
		log_warn("%s: connecting to %s is given up", file_desc_name(f),
			 sk_addr_text(t->remote.data, t->remote.len));
	return err < 0 ? log_oom() : 0;
}

int tcp_connecting_restore(struct restore *r, const FileEntry *msg, int fd)
{
	const TcpEntry *t = msg->tcp;
	int err = tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = tcp_set_seq(fd, TCP_SEND_QUEUE, t->connecting->isn);
	if (err < 0)
		return log_errno(err, "%s: TCP repair mode", file_entry_name(msg));
	inet_follow(r, t->sock->net_ns_id, &t->local);
	if (bind(fd, (struct sockaddr *)t->local.data, t->local.len) < 0 && !t->connecting->given_up)
		return log_errno(errno, "%s: bind to %s", file_entry_name(msg),
				 sk_addr_text(t->local.data, t->local.len));
	return 0;
}

/* connect(2), without waiting for an answer. */
static int begin(const TcpEntry *t, int fd)
{
	int flags = fcntl(fd, F_GETFL), err = 0;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)t->remote.data, t->remote.len) < 0 && errno != EINPROGRESS)
		err = -errno;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : err;
}

int tcp_connect_refused(const TcpEntry *t, int fd, uint32_t isn)
{
	struct tcphdr h = { .rst = 1, .ack = 1, .ack_seq = htonl(isn + 1) };
	union sk_addr local = { 0 };
	socklen_t len = sizeof(local);
	TcpEntry e = *t;
	int err = begin(t, fd);

	if (err == 0 && getsockname(fd, &local.sa, &len) < 0)
		err = -errno;
	e.local = (ProtobufCBinaryData){ len, (uint8_t *)&local };
	return err < 0 ? err : tcp_peer_says(&e, fd, &h);
}

int tcp_connecting_finish(struct restore *r, const FileEntry *msg, int fd)
{
	const TcpEntry *t = msg->tcp;
	struct sock_store *s = sk_store(r);
	int err = tcp_leave_repair(fd, 0);

	if (err == 0)
		err = opts_restore_reuse(msg, t->sock, fd);
	if (err < 0)
		return log_errno(err, "%s: leave TCP repair mode", file_entry_name(msg));
	if (!t->connecting->given_up) {
		if (!s || !GROW(s->connecting, s->n_connecting))
			return log_oom();
		s->connecting[s->n_connecting++] = (struct sock_connecting){ msg, fd };
		return 0;
	}
	err = tcp_connect_refused(t, fd, t->connecting->isn);
	if (err < 0)
		log_warn("%s: connecting to %s, restored as unconnected: %s", file_entry_name(msg),
			 sk_addr_text(t->remote.data, t->remote.len), strerror(-err));
	return 0;
}

void sock_connect(struct restore *r)
{
	for (size_t i = 0; r->socks && i < r->socks->n_connecting; i++) {
		const struct sock_connecting *c = &r->socks->connecting[i];
		const TcpEntry *t = c->msg->tcp;
		int err = begin(t, c->fd);

		if (err < 0)
			log_warn("%s: connect to %s: %s", file_entry_name(c->msg),
				 sk_addr_text(t->remote.data, t->remote.len), strerror(-err));
	}
}
