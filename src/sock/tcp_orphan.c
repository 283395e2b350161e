/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections that no descriptor reaches: TIME-WAIT, and closed ones whose FIN is not answered yet
 * (FIN-WAIT-1, FIN-WAIT-2, CLOSING, LAST-ACK). Restored, they keep their ports, and a peer that sends
 * its last segment again is answered as before.
 *
 * Shown by the kernel: their addresses by sock_diag(7), their sequence numbers only by a BPF iterator
 * (tcp_iter.c). Without one they are left out, with a line. Restore: a connection in repair mode that is
 * one step before its end; our FIN is put into the send queue as sent, the descriptor is closed, and
 * what the peer had said comes as a packet written by us. Timers begin anew: TIME-WAIT lasts its full
 * minute again. Those with data that are not acknowledged are waited for (inflight.c), then given up.
 */
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <time.h>

#include "base/log.h"
#include "base/netns.h"
#include "base/procfs.h"
#include "image/image.h"
#include "sock/inet.h"
#include "sock/rawip.h"
#include "sock/sk.h"
#include "sock/sock.h"
#include "sock/tcp_iter.h"

#define IMAGE "tcp-orphans"
#define PATIENCE 1000 /* ms */
#define STATES \
	(1 << TCP_TIME_WAIT | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSING | 1 << TCP_LAST_ACK)

static int count_one(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	unsigned int *n = arg;

	if (len >= sizeof(*m) && !m->idiag_inode)
		++*n;
	return 0;
}

/* How many there are in one of @states, by the sock_diag socket @sock. */
static int count_orphans(int sock, unsigned int states, unsigned int *ret)
{
	*ret = 0;
	return sk_diag_tcp(sock, states, 0, count_one, ret);
}

int tcp_iter_addr(const struct tcp_iter_sock *s, bool local, ProtobufCBinaryData *ret)
{
	union sk_addr a = { 0 };

	a.sa.sa_family = s->family;
	if (s->family == AF_INET) {
		a.in.sin_port = local ? htons(s->sport) : s->dport;
		a.in.sin_addr.s_addr = local ? s->src : s->dst;
		return sk_set_bytes(ret, &a, sizeof(a.in));
	}
	a.in6.sin6_port = local ? htons(s->sport) : s->dport;
	memcpy(&a.in6.sin6_addr, local ? s->src6 : s->dst6, sizeof(a.in6.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
		a.in6.sin6_scope_id = s->ifindex;
	return sk_set_bytes(ret, &a, sizeof(a.in6));
}

/* net/ipv4/tcp.c counts milliseconds of the monotonic clock. */
uint32_t tcp_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void fill_options(const struct tcp_iter_sock *s, TcpOrphanEntry *e)
{
	const bool wait = s->state == TCP_TIME_WAIT; /* which forgets the details */

	e->has_options = e->has_snd_wscale = e->has_rcv_wscale = true;
	e->options = (wait || s->wscale_ok ? TCPI_OPT_WSCALE : 0) | (s->sack_ok ? TCPI_OPT_SACK : 0);
	e->snd_wscale = wait ? s->rcv_wscale : s->snd_wscale;
	e->rcv_wscale = s->rcv_wscale;
	e->has_mss = s->mss;
	e->mss = s->mss;
	if (!s->ts_recent)
		return;
	e->has_timestamp = e->has_ts_recent = true;
	e->options |= TCPI_OPT_TIMESTAMPS;
	e->timestamp = tcp_clock() + s->ts_offset;
	e->ts_recent = s->ts_recent;
}

static int fill(const struct tcp_iter_sock *s, TcpOrphanEntry *e)
{
	e->state = s->state == TCP_TIME_WAIT ? s->substate : s->state;
	e->snd_seq = s->snd_next - 1;
	e->rcv_seq = s->rcv_next - (e->state != TCP_FIN_WAIT1 && e->state != TCP_FIN_WAIT2);
	e->rcv_wnd = s->rcv_wnd;
	e->has_ifindex = s->ifindex;
	e->ifindex = s->ifindex;
	e->has_reuse_addr = e->has_reuse_port = true;
	e->reuse_addr = s->reuse;
	e->reuse_port = s->reuseport;
	fill_options(s, e);
	return tcp_iter_addr(s, true, &e->local) < 0 || tcp_iter_addr(s, false, &e->remote) < 0 ? -ENOMEM : 0;
}

static int add_orphan(void *arg, const struct tcp_iter_sock *s)
{
	const uint32_t unacked = s->snd_next - s->snd_una;
	TcpOrphansEntry *list = arg;
	TcpOrphanEntry *e;

	if ((s->family != AF_INET && s->family != AF_INET6) || !(1U << s->state & STATES))
		return 0;
	/* Its FIN and nothing else. */
	if (s->state != TCP_TIME_WAIT && unacked != (s->state != TCP_FIN_WAIT2))
		return 0;
	if (!GROW(list->orphans, list->n_orphans))
		return -ENOMEM;
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	tcp_orphan_entry__init(e);
	list->orphans[list->n_orphans++] = e;
	return fill(s, e);
}

static int dump_one(struct dump *d, const struct ns *ns, struct image_file **file)
{
	TcpOrphansEntry list = TCP_ORPHANS_ENTRY__INIT, *copy;
	unsigned int n = 0;
	int sock = sk_diag_ns(d, ns->fd), err = sock < 0 ? sock : count_orphans(sock, STATES, &n);

	if (err < 0)
		return log_errno(err, "network namespace %u: sock_diag for closed connections", ns->id);
	if (!n)
		return 0;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return log_oom();
	*copy = list;
	copy->ns_id = ns->id;
	err = tcp_iter(ns->fd, add_orphan, copy);
	if (err == -EOPNOTSUPP)
		log_warn("network namespace %u: %u closed TCP connections (TIME-WAIT and the like) are left "
			 "out, "
			 "this kernel does not show their sequence numbers",
			 ns->id, n);
	else if (err < 0)
		log_errno(err, "network namespace %u: closed TCP connections", ns->id);
	if (err == 0 && copy->n_orphans && !*file)
		err = image_file_create(d->img, IMAGE, file);
	if (err == 0 && copy->n_orphans)
		err = image_file_write(*file, &copy->base);
	tcp_orphans_entry__free_unpacked(copy, NULL);
	return err == -EOPNOTSUPP ? 0 : err;
}

int sock_dump_orphans(struct dump *d)
{
	struct image_file *file = NULL;
	int err = 0, closed;

	if (d->opt->tcp_close)
		return 0;
	if (!sk_table(d))
		return log_oom();
	for (size_t i = 0; i < d->n_ns && err >= 0; i++)
		if (d->ns[i]->kind == NS_NET)
			err = dump_one(d, d->ns[i], &file);
	closed = file ? image_file_close(file) : 0;
	return err < 0 ? err : closed;
}

bool tcp_orphan_ok(const TcpOrphanEntry *e)
{
	struct sockaddr sa = { 0 };

	if (e->state >= 32 || !(1U << e->state & STATES) || e->mss > UINT16_MAX || e->snd_wscale > 14 ||
	    e->rcv_wscale > 14 || e->ifindex > INT32_MAX)
		return false;
	memcpy(&sa, e->local.data, MIN(e->local.len, sizeof(sa)));
	return (sa.sa_family == AF_INET || sa.sa_family == AF_INET6) &&
	       sk_inet_addr_ok(&e->local, sa.sa_family) && sk_inet_addr_ok(&e->remote, sa.sa_family);
}

int sock_load(struct restore *r)
{
	struct sock_store *s = sk_store(r);
	int err;

	if (!s)
		return log_oom();
	err = image_read(r->img, IMAGE, &tcp_orphans_entry__descriptor, &s->orphans, &s->n_orphans);
	for (size_t i = 0; err >= 0 && i < s->n_orphans; i++) {
		const TcpOrphansEntry *list = (const TcpOrphansEntry *)s->orphans[i];
		bool ok = list->ns_id;

		for (size_t j = 0; ok && j < list->n_orphans; j++)
			ok = tcp_orphan_ok(list->orphans[j]);
		if (ok)
			continue;
		log_error("%s.img: network namespace %u has a closed TCP connection that cannot be", IMAGE,
			  list->ns_id);
		err = -EBADMSG;
	}
	return err;
}

/* The making, inside a network namespace. */
struct making {
	const struct restore *r;
	const TcpOrphansEntry *list;
	int diag, raw[2]; /* IPv4, IPv6 */
	unsigned int made, left_out, wanted;
	int err; /* of the first that was left out */
};

static int say(const struct making *m, const TcpOrphanEntry *e, bool fin, uint32_t ack)
{
	struct {
		struct tcphdr h;
		uint8_t nop[2], kind, len;
		uint32_t value, echo;
	} __attribute__((packed)) p = { .h = { .doff = e->has_timestamp ? 8 : 5, .ack = 1, .fin = fin },
					.nop = { TCPOPT_NOP, TCPOPT_NOP },
					.kind = TCPOPT_TIMESTAMP,
					.len = TCPOLEN_TIMESTAMP };
	union sk_addr from = { 0 }, to = { 0 };

	memcpy(&from, e->remote.data, e->remote.len);
	memcpy(&to, e->local.data, e->local.len);
	inet_unmap(&from);
	inet_unmap(&to);
	p.h.source = from.in.sin_port;
	p.h.dest = to.in.sin_port;
	p.h.seq = htonl(e->rcv_seq);
	p.h.ack_seq = htonl(ack);
	p.h.window = htons(1024);
	p.value = htonl(e->ts_recent);
	p.echo = htonl(e->timestamp);
	return rawip_send_tcp_on(m->raw[from.sa.sa_family == AF_INET6], &from, &to, &p, (size_t)p.h.doff * 4);
}

static int connect_quietly(const TcpOrphanEntry *e, int fd)
{
	int ifindex = (int)e->ifindex, err = tcp_set_int(fd, TCP_REPAIR, 1);

	if (err == 0)
		err = tcp_set_seq(fd, TCP_SEND_QUEUE, e->snd_seq);
	if (err == 0)
		err = tcp_set_seq(fd, TCP_RECV_QUEUE, e->rcv_seq);
	if (err < 0)
		return err;
	if ((ifindex && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)) < 0) ||
	    bind(fd, (struct sockaddr *)e->local.data, e->local.len) < 0 ||
	    connect(fd, (struct sockaddr *)e->remote.data, e->remote.len) < 0)
		return -errno;
	return 0;
}

static int set_options(const TcpOrphanEntry *e, int fd)
{
	const struct tcp_repair_window w = {
		.snd_wl1 = e->rcv_seq,
		.snd_wnd = UINT16_MAX,
		.max_window = UINT16_MAX,
		.rcv_wnd = MAX(e->rcv_wnd, 1U), /* the FIN must fit */
		.rcv_wup = e->rcv_seq,
	};
	TcpConnEntry c = TCP_CONN_ENTRY__INIT;
	int err;

	c.mss = e->mss ?: TCP_MSS_DEFAULT;
	c.options = e->options;
	c.snd_wscale = e->snd_wscale;
	c.rcv_wscale = e->rcv_wscale;
	c.has_timestamp = e->has_timestamp;
	c.timestamp = e->timestamp & ~1U; /* bit 0 is for microseconds */
	err = tcp_conn_negotiate(fd, &c);
	if (err == 0 && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w)) < 0)
		err = -errno;
	return err;
}

/* What the peer said before we closed. */
static int hear_fin(const struct making *m, const TcpOrphanEntry *e, int fd)
{
	int err = say(m, e, true, e->snd_seq);

	for (int i = 0; err == 0 && tcp_conn_state(fd) != TCP_CLOSE_WAIT; i++) {
		const struct timespec ms = { .tv_nsec = 1000000 };

		if (i == PATIENCE)
			return -ETIMEDOUT;
		nanosleep(&ms, NULL);
	}
	return err;
}

static int close_ours(const TcpOrphanEntry *e, int fd)
{
	int one = 1, err = tcp_set_int(fd, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);

	if (err == 0 && shutdown(fd, SHUT_WR) < 0)
		err = -errno;
	if (err == 0)
		err = tcp_leave_repair(fd, e->reuse_addr);
	if (err == 0 && e->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		err = -errno;
	return err;
}

static int make_one(const struct making *m, const TcpOrphanEntry *e)
{
	struct sockaddr sa;
	_cleanup_close_ int fd = -1;
	int err;

	memcpy(&sa, e->local.data, sizeof(sa));
	fd = socket(sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	err = connect_quietly(e, fd);
	if (err == 0)
		err = set_options(e, fd);
	if (err == 0 && e->state == TCP_LAST_ACK)
		err = hear_fin(m, e, fd);
	if (err == 0)
		err = close_ours(e, fd);
	close_fd(&fd); /* silent: either in repair mode, or our FIN is said */
	if (err == 0 && (e->state == TCP_TIME_WAIT || e->state == TCP_FIN_WAIT2))
		err = say(m, e, e->state == TCP_TIME_WAIT, e->snd_seq + 1);
	if (err == 0 && e->state == TCP_CLOSING)
		err = say(m, e, true, e->snd_seq);
	return err;
}

/* The packets are on the loopback device's way: a moment at most, for all of them. */
static int await_all(struct making *m, unsigned int before)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int now = 0;
	int err = 0;

	for (int i = 0; i < PATIENCE; i++) {
		err = count_orphans(m->diag, STATES & ~(1U << TCP_FIN_WAIT1), &now);
		if (err < 0 || now >= before + m->wanted)
			break;
		nanosleep(&ms, NULL);
	}
	if (err == 0 && now < before + m->wanted) {
		m->left_out += before + m->wanted - now;
		m->err = m->err ?: -ETIMEDOUT;
	}
	return err;
}

static bool moved(const struct making *m, const TcpOrphanEntry *e)
{
	union sk_addr a;
	ProtobufCBinaryData local = { .len = MIN(e->local.len, sizeof(a)), .data = (uint8_t *)&a };

	memcpy(&a, e->local.data, local.len);
	return inet_follow(m->r, m->list->ns_id, &local);
}

static int make_all(void *arg)
{
	struct making *m = arg;
	unsigned int before = 0;
	int err;

	m->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (m->diag < 0)
		return -errno;
	m->raw[0] = rawip_open(m->diag, AF_INET);
	if (m->raw[0] < 0)
		return m->raw[0];
	m->raw[1] = rawip_open(m->diag, AF_INET6); /* not where there is no IPv6 */
	err = count_orphans(m->diag, STATES & ~(1U << TCP_FIN_WAIT1), &before);
	for (size_t i = 0; err == 0 && i < m->list->n_orphans; i++) {
		const TcpOrphanEntry *e = m->list->orphans[i];
		int failed = moved(m, e) ? -EADDRNOTAVAIL : make_one(m, e);

		if (failed < 0) {
			m->left_out++;
			m->err = m->err ?: failed;
		} else if (e->state != TCP_FIN_WAIT1) {
			m->wanted++;
		}
	}
	return err < 0 ? err : await_all(m, before);
}

static int restore_list(struct restore *r, const TcpOrphansEntry *list)
{
	struct making m = { .r = r, .list = list, .diag = -1, .raw = { -1, -1 } };
	const struct rtask *t = restore_task_in(r, NS_NET, list->ns_id);
	_cleanup_close_ int proc = t ? proc_open(t->pid) : -1, nsfd = -1;
	int err;

	if (proc >= 0)
		nsfd = openat(proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (nsfd < 0) {
		log_error("network namespace %u of %s.img: nobody is in it", list->ns_id, IMAGE);
		return -EBADMSG;
	}
	err = netns_call(nsfd, make_all, &m);
	close_fd(&m.diag);
	close_fd(&m.raw[0]);
	close_fd(&m.raw[1]);
	if (err < 0)
		return log_errno(err, "network namespace %u: closed TCP connections", list->ns_id);
	if (m.left_out)
		log_warn("network namespace %u: %u of %zu closed TCP connections are not restored: %s",
			 list->ns_id, m.left_out, list->n_orphans, strerror(-m.err));
	return 0;
}

int sock_restore_orphans(struct restore *r)
{
	int err = 0;

	if (r->opt->tcp_close)
		return 0;
	for (size_t i = 0; err == 0 && i < r->socks->n_orphans; i++)
		err = restore_list(r, (const TcpOrphansEntry *)r->socks->orphans[i]);
	return err;
}
