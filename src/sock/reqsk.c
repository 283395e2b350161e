/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "netlock/netlock.h"
#include "sock/inet.h"
#include "sock/rawip.h"
#include "sock/reqsk.h"
#include "sock/reqsk_prog.h"
#include "sock/sk.h"

#define SK_SO_BINDTOIFINDEX 62
#define LOOPBACK 1 /* the index of lo in every namespace */
#define CHUNK 15000 /* with what the kernel adds, it fills its buffer of 16k */
#define CHUNK_LINK 1200 /* by any link that has IPv6 */
#define MSS_MIN_V4 536U /* less is refused: net/core/filter.c */
#define MSS_MIN_V6 1220U
#define PATIENCE 10000 /* ms */

/* All must be on while a connection is put; which of them the connections need is not looked at. */
static const char *const sysctls[] = { "tcp_syncookies", "tcp_window_scaling", "tcp_sack", "tcp_timestamps" };

struct reqsk_link {
	uint32_t index;
	int fd; /* of the attached program */
};

struct reqsk {
	struct reqsk_prog prog;
	int nsfd, diag, raw[2]; /* IPv4, IPv6 */
	struct reqsk_link *links;
	size_t n_links;
	int off[ARRAY_SIZE(sysctls)]; /* descriptors of those that were 0; -1 */
	int cpu; /* we stay on it */
	cpu_set_t cpus; /* where we were allowed before */
};

/* What is being put. */
struct put {
	struct reqsk *q;
	const TcpWaitingEntry *e;
	int listener;
	uint32_t link; /* 0: lo */
	union sk_addr from, to;
};

bool reqsk_state_ok(unsigned int state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

static int switch_on(struct reqsk *q, size_t i)
{
	_cleanup_close_ int fd = -1;
	char path[64], value;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", sysctls[i]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &value, 1, 0) != 1)
		return fd < 0 && errno == ENOENT ? -EOPNOTSUPP : -errno;
	if (value != '0')
		return 0;
	if (pwrite(fd, "1", 1, 0) != 1)
		return -errno;
	q->off[i] = take_fd(&fd);
	return 0;
}

static int open_raw(int domain)
{
	const int mark = NETLOCK_MARK;
	_cleanup_close_ int fd = socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int loopback_up(int sock)
{
	struct ifreq ifr = { .ifr_name = "lo" };

	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	return ifr.ifr_flags & IFF_UP ? 0 : -EOPNOTSUPP;
}

/* In the namespace; the program is attached to lo already. */
static int set_up(void *arg)
{
	struct reqsk *q = arg;

	q->raw[0] = open_raw(AF_INET);
	if (q->raw[0] < 0)
		return q->raw[0];
	q->raw[1] = open_raw(AF_INET6); /* not where there is no IPv6 */
	q->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (q->diag < 0)
		return -errno;
	return loopback_up(q->raw[0]);
}

static int switch_all_on(void *arg)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < ARRAY_SIZE(sysctls); i++)
		err = switch_on(arg, i);
	return err;
}

struct attach {
	struct reqsk *q;
	uint32_t index;
};

static int attach_there(void *arg)
{
	const struct attach *a = arg;

	return reqsk_prog_attach(&a->q->prog, a->index);
}

static int attach(struct reqsk *q, uint32_t index)
{
	struct attach a = { q, index };
	int fd;

	for (size_t i = 0; i < q->n_links; i++)
		if (q->links[i].index == index)
			return 0;
	if (!GROW(q->links, q->n_links))
		return -ENOMEM;
	fd = netns_call(q->nsfd, attach_there, &a);
	if (fd < 0)
		return fd;
	q->links[q->n_links++] = (struct reqsk_link){ index, fd };
	return 0;
}

void reqsk_close(struct reqsk *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n_links; i++)
		close(q->links[i].fd);
	free(q->links);
	reqsk_prog_done(&q->prog);
	close_fd(&q->nsfd);
	close_fd(&q->diag);
	close_fd(&q->raw[0]);
	close_fd(&q->raw[1]);
	free(q);
}

int reqsk_open(int ns_sock, struct reqsk **ret)
{
	_cleanup_(reqsk_closep) struct reqsk *q = malloc(sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	*q = (struct reqsk){ .prog = { -1, -1, -1 }, .nsfd = -1, .diag = -1, .raw = { -1, -1 } };
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
		q->off[i] = -1;
	err = reqsk_prog_load(&q->prog);
	if (err < 0)
		return err;
	q->nsfd = ioctl(ns_sock, SIOCGSKNS);
	if (q->nsfd < 0)
		return -errno;
	err = netns_call(q->nsfd, set_up, q);
	if (err >= 0)
		err = attach(q, LOOPBACK);
	if (err < 0)
		return err;
	*ret = TAKE_PTR(q);
	return 0;
}

/* Packets by the loopback device are taken on the CPU they are sent on. */
static void stay(struct reqsk *q)
{
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(q->cpus), &q->cpus) < 0)
		CPU_ZERO(&q->cpus);
	q->cpu = MAX(sched_getcpu(), 0);
	CPU_ZERO(&one);
	CPU_SET(q->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

int reqsk_begin(struct reqsk *q)
{
	int err = netns_call(q->nsfd, switch_all_on, q);

	if (err < 0) {
		reqsk_end(q);
		return log_errno(err, "sysctls of TCP in the network namespace");
	}
	stay(q);
	return 0;
}

void reqsk_end(struct reqsk *q)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		if (q->off[i] >= 0)
			(void)pwrite_all(q->off[i], "0", 1, 0);
		close_fd(&q->off[i]);
	}
	if (CPU_COUNT(&q->cpus))
		sched_setaffinity(0, sizeof(q->cpus), &q->cpus);
	CPU_ZERO(&q->cpus);
}

size_t reqsk_fds(const struct reqsk *q, int fds[REQSK_FDS])
{
	const int all[REQSK_FDS] = { q->prog.prog, q->prog.order, q->prog.listener, q->nsfd,
				     q->diag,	   q->raw[0],	  q->raw[1],	    q->links[0].fd };

	memcpy(fds, all, sizeof(all));
	return REQSK_FDS;
}

/* The link segments must come by: that of a link-local address, or the one the socket is bound to. */
static uint32_t link_of(int listener, const union sk_addr *local)
{
	int bound = sk_int(listener, SOL_SOCKET, SK_SO_BINDTOIFINDEX);

	if (bound <= 0 && local->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&local->in6.sin6_addr))
		bound = (int)local->in6.sin6_scope_id;
	return bound > LOOPBACK ? (uint32_t)bound : 0;
}

static void fill_header(const struct put *p, uint32_t seq, struct tcphdr *h)
{
	const TcpConnEntry *c = p->e->conn;
	struct tcp_repair_window window = { 0 };

	if (c->has_window)
		memcpy(&window, c->window.data, sizeof(window));
	*h = (struct tcphdr){
		.source = p->from.in.sin_port,
		.dest = p->to.in.sin_port,
		.doff = 5,
		.ack = 1,
		.seq = htonl(seq),
		.ack_seq = htonl(c->snd_seq),
		.window = htons(MIN(window.snd_wnd >> c->snd_wscale, 65535U)),
	};
}

static int send_segment(const struct put *p, uint32_t seq, bool fin, const uint8_t *data, size_t len)
{
	_cleanup_free_ struct tcphdr *h = malloc(sizeof(*h) + len);

	if (!h)
		return -ENOMEM;
	fill_header(p, seq, h);
	h->fin = fin;
	h->psh = len > 0;
	if (len)
		memcpy(h + 1, data, len);
	return rawip_send_tcp_on(p->q->raw[p->from.sa.sa_family == AF_INET6], &p->from, &p->to, h,
				 sizeof(*h) + len);
}

static void fill_attrs(const struct put *p, struct reqsk_attrs *a)
{
	const TcpConnEntry *c = p->e->conn;

	*a = (struct reqsk_attrs){
		.rcv_tsecr = c->timestamp,
		.mss = MAX(c->mss, p->from.sa.sa_family == AF_INET ? MSS_MIN_V4 : MSS_MIN_V6),
		.rcv_wscale = c->rcv_wscale,
		.snd_wscale = c->snd_wscale,
		.ecn_ok = !!(c->options & TCPI_OPT_ECN),
		.wscale_ok = !!(c->options & TCPI_OPT_WSCALE),
		.sack_ok = !!(c->options & TCPI_OPT_SACK),
		.tstamp_ok = c->has_timestamp,
		.usec_ts_ok = c->has_timestamp && (c->timestamp & 1), /* TCP_TIMESTAMP, net/ipv4/tcp.c */
	};
}

/* From now on the program awaits the segment of @seq. */
static int arm(const struct put *p, uint32_t seq)
{
	struct reqsk_order o = { .link = p->link, .armed = 1, .result = 1 };
	struct tcphdr h;
	int err;

	o.header = p->from.sa.sa_family == AF_INET ? 20 : 40;
	fill_header(p, seq, &h);
	memcpy(o.segment, &h, sizeof(o.segment));
	fill_attrs(p, &o.attrs);
	err = reqsk_prog_listener(&p->q->prog, p->listener);
	return err < 0 ? err : reqsk_prog_order(&p->q->prog, &o);
}

static int disarm(const struct put *p)
{
	const struct reqsk_order o = { .link = p->link };

	return reqsk_prog_order(&p->q->prog, &o);
}

static int queued(int listener)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ? -errno : (int)info.tcpi_unacked;
}

static void nap(int i)
{
	struct timespec t = { .tv_nsec = i < 10 ? 100000 : 1000000 };

	nanosleep(&t, NULL);
}

static int take_answer(const struct nlmsghdr *nlh, void *data)
{
	memcpy(data, mnl_nlmsg_get_payload(nlh),
	       MIN(mnl_nlmsg_get_payload_len(nlh), sizeof(struct inet_diag_msg)));
	return MNL_CB_STOP;
}

/* State and queue of what was put. */
static int look(const struct put *p, struct inet_diag_msg *ret)
{
	char buf[8192] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	ssize_t n;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	*req = (struct inet_diag_req_v2){
		.sdiag_family = p->to.sa.sa_family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = -1U,
		.id = { .idiag_sport = p->to.in.sin_port,
			.idiag_dport = p->from.in.sin_port,
			.idiag_if = p->link,
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	if (p->to.sa.sa_family == AF_INET) {
		req->id.idiag_src[0] = p->to.in.sin_addr.s_addr;
		req->id.idiag_dst[0] = p->from.in.sin_addr.s_addr;
	} else {
		memcpy(req->id.idiag_src, &p->to.in6.sin6_addr, 16);
		memcpy(req->id.idiag_dst, &p->from.in6.sin6_addr, 16);
	}
	if (send(p->q->diag, nlh, nlh->nlmsg_len, 0) < 0)
		return -errno;
	n = recv(p->q->diag, buf, sizeof(buf), 0);
	return n < 0 || mnl_cb_run(buf, n, 0, 0, take_answer, ret) < 0 ? -errno : 0;
}

/*
 * It is there. The kernel has taken the segment before sendto(2) returns, as a rule. Among sockets that
 * share the port (SO_REUSEPORT) a program of the application's may have chosen another.
 */
static int await_made(const struct put *p, int before)
{
	struct inet_diag_msg m = { 0 };

	for (int i = 0; i < PATIENCE; i++) {
		int err = reqsk_prog_result(&p->q->prog);

		if (err < 0)
			return err;
		if (queued(p->listener) > before)
			return 0;
		if (look(p, &m) == 0 && m.idiag_state == TCP_ESTABLISHED && queued(p->listener) <= before) {
			log_warn("file %u: TCP connection with %s waits at another socket of its port now",
				 p->e->file_id, sk_addr_text(&p->from, sizeof(p->from)));
			return 0;
		}
		nap(i);
	}
	return -ETIMEDOUT;
}

static int make(const struct put *p, uint32_t seq)
{
	int before = queued(p->listener), err = arm(p, seq), end;

	if (before < 0 || err < 0)
		return before < 0 ? before : err;
	err = send_segment(p, seq, false, NULL, 0);
	if (err >= 0)
		err = await_made(p, before);
	end = disarm(p);
	return err < 0 ? err : end;
}

/* Of those that share a port, the one that asks for this CPU is taken (net/core/sock_reuseport.c). */
static int make_here(const struct put *p, uint32_t seq)
{
	int was = -1, err;
	socklen_t len = sizeof(was);

	if (sk_int(p->listener, SOL_SOCKET, SO_REUSEPORT) <= 0)
		return make(p, seq);
	if (getsockopt(p->listener, SOL_SOCKET, SO_INCOMING_CPU, &was, &len) < 0 ||
	    setsockopt(p->listener, SOL_SOCKET, SO_INCOMING_CPU, &p->q->cpu, sizeof(p->q->cpu)) < 0)
		return -errno;
	err = make(p, seq);
	setsockopt(p->listener, SOL_SOCKET, SO_INCOMING_CPU, &was, sizeof(was));
	return err;
}

static int set_buffer(int fd, int value, int lock)
{
	value /= 2; /* getsockopt shows the double */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof(value)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock)) < 0)
		return -errno;
	return 0;
}

/* A socket made now has room for what this one held; the listening socket's own size is put back. */
static int make_with_room(const struct put *p, uint32_t seq)
{
	int own = sk_int(p->listener, SOL_SOCKET, SO_RCVBUF),
	    lock = sk_int(p->listener, SOL_SOCKET, SO_BUF_LOCK),
	    want = (int)MIN(MAX(p->e->rcvbuf, 4 * p->e->conn->rcv_queue.len), 1UL << 30), err, end;

	if (own < 0 || lock < 0)
		return own < 0 ? own : lock;
	if (own >= want || lock & SOCK_RCVBUF_LOCK)
		return make_here(p, seq);
	err = set_buffer(p->listener, want, lock);
	if (err >= 0)
		err = make_here(p, seq);
	end = set_buffer(p->listener, own, lock);
	return err < 0 ? err : end;
}

/* A FIN counts as one byte. */
static int await_state(const struct put *p, size_t bytes, unsigned int state)
{
	struct inet_diag_msg m = { 0 };

	for (int i = 0; i < PATIENCE; i++) {
		int err = look(p, &m);

		if (err < 0)
			return err;
		if (m.idiag_state == state && m.idiag_rqueue == bytes)
			return 0;
		nap(i);
	}
	return -ETIMEDOUT;
}

static int put_data(const struct put *p, uint32_t seq)
{
	const ProtobufCBinaryData *data = &p->e->conn->rcv_queue;
	const bool fin = p->e->conn->state == TCP_CLOSE_WAIT;
	const size_t chunk = p->link ? CHUNK_LINK : CHUNK;
	int err = 0;

	/* Each in its turn: the window grows as they are taken. */
	for (size_t at = 0, n; err >= 0 && at < data->len; at += n) {
		n = MIN(data->len - at, chunk);
		err = send_segment(p, seq + at, false, data->data + at, n);
		if (err >= 0)
			err = await_state(p, at + n, TCP_ESTABLISHED);
	}
	if (err >= 0 && fin)
		err = send_segment(p, seq + data->len, true, NULL, 0);
	return err < 0 ? err : await_state(p, data->len + fin, fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED);
}

static int prepare(struct put *p)
{
	memcpy(&p->from, p->e->remote.data, MIN(p->e->remote.len, sizeof(p->from)));
	memcpy(&p->to, p->e->local.data, MIN(p->e->local.len, sizeof(p->to)));
	inet_unmap(&p->from);
	inet_unmap(&p->to);
	p->link = link_of(p->listener, &p->to);
	return p->link ? attach(p->q, p->link) : 0;
}

int reqsk_knock(struct reqsk *q, int listener, const TcpWaitingEntry *e)
{
	struct put p = { .q = q, .e = e, .listener = listener };
	int err = prepare(&p);

	if (err >= 0)
		err = disarm(&p);
	return err < 0 ? err : send_segment(&p, e->conn->rcv_seq - 1, false, NULL, 0);
}

int reqsk_put(struct reqsk *q, int listener, const TcpWaitingEntry *e)
{
	struct put p = { .q = q, .e = e, .listener = listener };
	const uint32_t seq = e->conn->rcv_seq - e->conn->rcv_queue.len;
	int err = prepare(&p);

	if (err >= 0)
		err = make_with_room(&p, seq);
	if (err >= 0)
		err = put_data(&p, seq);
	return err < 0 ? log_errno(err, "file %u: TCP connection with %s back into the queue of %s",
				   e->file_id, sk_addr_text(e->remote.data, e->remote.len),
				   sk_addr_text(e->local.data, e->local.len))
		       : 0;
}
