/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets whose TCP connection is over (state CLOSE) with something left to be read: data, the end of
 * file, or the error that ended it.
 *
 * Shown by the kernel: the unread data, and that there is an error; which one, hidden.h tells, as asking
 * takes it away. ECONNRESET, ECONNREFUSED and EPIPE are what they were. Others become ECONNRESET, or
 * ECONNREFUSED where there never was a connection, with a warning: ETIMEDOUT only comes of the kernel's own
 * timers, the first of which runs a second in a connection that was repaired (1013 ms here; no segment was
 * timed yet, and neither TCP_USER_TIMEOUT nor TCP_RTO_MAX_MS make it shorter), for each such socket;
 * EHOSTUNREACH and the like come of ICMP, while the SYN that asks for it is answered with a reset where no
 * lock is. The remote address is forgotten; so the restored socket comes to its end as a connection with a
 * port of its own address, by segments written by us.
 */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "sock/hidden.h"
#include "sock/inet.h"
#include "sock/sk.h"

#define PEER_PORT 1 /* nobody's; looked at by no one */
#define SEQ 1000 /* of both directions */
#define PATIENCE 1000 /* ms */

static int read_unread(const struct file_desc *f, ProtobufCBinaryData *ret)
{
	int len = 0;
	ssize_t n = 0;

	if (ioctl(f->fd, SIOCINQ, &len) < 0 || len < 0)
		len = 0;
	ret->data = malloc((size_t)len + 1);
	if (!ret->data)
		return -ENOMEM;
	if (len)
		n = sk_peek(f->fd, ret->data, (size_t)len);
	if (n < 0)
		return (int)n;
	ret->len = (size_t)n;
	return n == len ? 0 : -EPROTO;
}

/* What a connection leaves behind, and an attempt to make one does not. */
static bool was_connected(const struct file_desc *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(f->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       (info.tcpi_options || info.tcpi_rtt);
}

/* As near as can be to the one that waits; 0: it is something else that waits. */
static int error_of(struct dump *d, const struct file_desc *f)
{
	const int usual = was_connected(f) ? ECONNRESET : ECONNREFUSED;
	struct hidden h = { .err = -1 };

	if (hidden_of(d, f, &h) < 0)
		log_info("%s: its TCP connection ended with an error that is not read yet, it will be %s",
			 file_desc_name(f), strerror(usual));
	else if (!h.err || h.err == ECONNRESET || h.err == ECONNREFUSED || h.err == EPIPE)
		return h.err;
	else
		log_warn("%s: the error its TCP connection ended with (%s) is not read yet, it will be %s",
			 file_desc_name(f), strerror(h.err), strerror(usual));
	return usual;
}

int tcp_ended_dump(struct dump *d, const struct file_desc *f, TcpEndedEntry **ret)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN | POLLRDHUP };
	TcpEndedEntry *e;
	int err;

	/* A socket that never was connected is not shut down. */
	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLERR | POLLRDHUP)))
		return 0;
	e = *ret = malloc(sizeof(*e));
	if (!e)
		return log_oom();
	tcp_ended_entry__init(e);
	err = read_unread(f, &e->unread);
	if (err < 0)
		return log_errno(err, "%s: read what is left of its TCP connection", file_desc_name(f));
	e->error = p.revents & POLLERR ? (uint32_t)error_of(d, f) : 0;
	e->has_error = e->error;
	return 0;
}

static int await_end(int fd)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; tcp_conn_state(fd) != TCP_CLOSE; i++) {
		if (i == PATIENCE)
			return -ETIMEDOUT;
		nanosleep(&ms, NULL);
	}
	return 0;
}

/*
 * The other end, which keeps the kernel from answering with resets where no lock does. It is in repair
 * mode, so its end is silent.
 */
static int make_peer(const FileEntry *msg, const TcpEntry *t, struct remote *hand)
{
	_cleanup_close_ int fd = sk_make(msg, t->sock, hand);
	int err = fd < 0 ? fd : tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = tcp_set_seq(fd, TCP_SEND_QUEUE, t->conn->rcv_seq + 1);
	if (err == 0)
		err = tcp_set_seq(fd, TCP_RECV_QUEUE, SEQ);
	if (err == 0 && (bind(fd, (struct sockaddr *)t->remote.data, t->remote.len) < 0 ||
			 connect(fd, (struct sockaddr *)t->local.data, t->local.len) < 0))
		err = -errno;
	return err < 0 ? err : take_fd(&fd);
}

/* A connection with these data unread, and then its end. */
static int live_and_end(const FileEntry *msg, const TcpEntry *t, int fd, struct remote *hand)
{
	const TcpEndedEntry *end = msg->tcp->ended;
	TcpConnEntry *c = t->conn;
	const bool fin = !end->has_error || end->error == EPIPE; /* of the peer, before its reset */
	struct tcphdr h = { .ack = 1, .rst = end->has_error, .ack_seq = htonl(SEQ + !end->has_error) };
	_cleanup_close_ int peer = -1;
	int err;

	c->state = !end->has_error ? TCP_LAST_ACK : fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
	c->snd_seq = SEQ;
	c->rcv_seq = SEQ + end->unread.len;
	c->rcv_queue = end->unread;
	c->mss = TCP_MSS_DEFAULT;
	h.seq = htonl(c->rcv_seq + fin);
	peer = make_peer(msg, t, hand);
	err = peer < 0 ? peer : tcp_conn_restore(msg, t, fd);
	if (err == 0)
		err = tcp_conn_finish(msg, t, fd);
	if (err == 0)
		err = tcp_peer_says(t, fd, &h);
	return err < 0 ? err : await_end(fd);
}

static int refused(const TcpEntry *t, int fd)
{
	int err = tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = tcp_set_seq(fd, TCP_SEND_QUEUE, SEQ);
	if (err == 0 && bind(fd, (struct sockaddr *)t->local.data, t->local.len) < 0)
		err = -errno;
	if (err == 0)
		err = tcp_leave_repair(fd, 0);
	if (err == 0)
		err = tcp_connect_refused(t, fd, SEQ);
	return err < 0 ? err : await_end(fd);
}

/* Where it was, if that is still an address of ours; the peer beside it. */
static void choose_ends(struct restore *r, const TcpEntry *t, union sk_addr *local, union sk_addr *remote)
{
	const ProtobufCBinaryData b = { .len = t->local.len, .data = (uint8_t *)local };

	*local = (union sk_addr){ .sa.sa_family = t->sock->domain };
	if (t->has_local)
		memcpy(local, t->local.data, MIN(t->local.len, sizeof(*local)));
	if (t->has_local)
		inet_follow(r, t->sock->net_ns_id, &b);
	if (t->sock->domain == AF_INET && local->in.sin_addr.s_addr == INADDR_ANY)
		local->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (t->sock->domain == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&local->in6.sin6_addr))
		local->in6.sin6_addr = in6addr_loopback;
	*remote = *local;
	remote->in.sin_port = htons(PEER_PORT);
}

int tcp_ended_restore(struct restore *r, const FileEntry *msg, int fd, struct remote *hand)
{
	TcpConnEntry c = TCP_CONN_ENTRY__INIT;
	TcpEntry t = *msg->tcp;
	union sk_addr local, remote;
	size_t len = t.sock->domain == AF_INET ? sizeof(local.in) : sizeof(local.in6);
	int one = 1, err;

	choose_ends(r, msg->tcp, &local, &remote);
	t.local = (ProtobufCBinaryData){ len, (uint8_t *)&local };
	t.remote = (ProtobufCBinaryData){ len, (uint8_t *)&remote };
	t.conn = &c;
	if (t.ended->has_error && t.ended->error == ECONNREFUSED && !t.ended->unread.len)
		err = refused(&t, fd);
	else
		err = live_and_end(msg, &t, fd, hand);
	/* Its port may be that of a listener to come; the true value comes later. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return err < 0 ? log_errno(err, "%s: a TCP connection of %s that is over", file_entry_name(msg),
				   sk_addr_text(&local, len))
		       : 0;
}
