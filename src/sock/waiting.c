/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections that a listening socket has not accepted yet, waiting.img.
 *
 * They have no descriptor. When all else of the dump is done they are accepted in the place of the
 * programs, by a process that can put them back (usher.c), and read as connections. Restored they are
 * made by the kernel as those of a handshake that ends now (reqsk.h), each at its listening socket and in
 * its order. Needs Linux 6.9; with an older kernel, and where the loopback device is down, a dump waits until
 * they are accepted; and until those of TCP_FASTOPEN are acknowledged, which can be accepted (and would be
 * taken) before their handshake is over. What is not kept: the text of TCP_SAVED_SYN.
 */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/log.h"
#include "file/file.h"
#include "image/image.h"
#include "net/net.h"
#include "sock/inet.h"
#include "sock/reqsk.h"
#include "sock/shared.h"
#include "sock/sk.h"
#include "sock/sock.h"
#include "sock/waiting.h"

#define LOCKS_MAX 64

struct peers {
	char text[200];
	size_t len;
};

static int add_peer(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	union sk_addr a = { .in = { .sin_family = AF_INET } };
	struct peers *p = arg;
	const char *text;

	if (len < sizeof(*m) || m->idiag_inode)
		return 0;
	a.in.sin_port = m->id.idiag_dport;
	if (m->idiag_family == AF_INET) {
		a.in.sin_addr.s_addr = m->id.idiag_dst[0];
	} else {
		a.in6.sin6_family = AF_INET6;
		memcpy(&a.in6.sin6_addr, m->id.idiag_dst, 16);
	}
	inet_unmap(&a);
	text = sk_addr_text(&a, sizeof(a));
	if (p->len + strlen(text) + 8 < sizeof(p->text))
		p->len += snprintf(p->text + p->len, sizeof(p->text) - p->len, "%s%s", p->len ? ", " : "",
				   text);
	else if (p->len && p->text[p->len - 1] != '.')
		p->len += snprintf(p->text + p->len, sizeof(p->text) - p->len, " ...");
	return 0;
}

#define WAITING (1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT)

/* @fn sees those in one of @states (bits) at the port of @fd. */
static int list_peers(struct dump *d, int fd, uint32_t states, sk_diag_fn fn, void *arg)
{
	union sk_addr a = { 0 };
	socklen_t len = sizeof(a);
	struct inet_diag_req_v2 req = {
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = states,
	};

	if (getsockname(fd, &a.sa, &len) < 0)
		return -errno;
	req.sdiag_family = a.sa.sa_family;
	req.id.idiag_sport = a.in.sin_port;
	return sk_diag(d, fd, &req, sizeof(req), true, fn, arg);
}

const char *waiting_peers(struct dump *d, int fd)
{
	static _Thread_local struct peers p;

	p = (struct peers){ .text = "?" };
	(void)list_peers(d, fd, WAITING, add_peer, &p);
	return p.text;
}

static int count_half_open(void *arg, const void *payload, size_t len)
{
	const struct nlattr *a = (const void *)((const struct inet_diag_msg *)payload + 1);
	unsigned int *n = arg;

	for (len -= MIN(len, sizeof(struct inet_diag_msg)); mnl_attr_ok(a, (int)len); a = mnl_attr_next(a)) {
		*n += mnl_attr_get_type(a) == INET_DIAG_SHUTDOWN; /* a mere request has no such thing */
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
	}
	return 0;
}

/* TCP_FASTOPEN: a connection that is half open is in the queue already. */
static int all_acknowledged(struct dump *d, int fd)
{
	unsigned int n = 0;
	int err;

	if (sk_int(fd, IPPROTO_TCP, TCP_FASTOPEN) <= 0)
		return 0;
	err = list_peers(d, fd, 1 << TCP_SYN_RECV, count_half_open, &n);
	return err < 0 ? err : n ? -EAGAIN : 0;
}

static int lock_peer(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	struct netlock_conn c;

	if (len < sizeof(*m) || m->idiag_inode)
		return 0;
	c = shared_conn(m);
	return net_lock_conn(arg, &c);
}

/* *@ret: of the namespace @id, opened when first asked for. */
static int space_of(struct waiting *w, uint32_t id, int fd, struct reqsk **ret)
{
	int err;

	for (size_t i = 0; i < w->n_spaces; i++) {
		*ret = w->spaces[i].q;
		if (w->spaces[i].id == id)
			return 0;
	}
	if (!GROW(w->spaces, w->n_spaces))
		return -ENOMEM;
	err = reqsk_open(fd, ret);
	if (err >= 0)
		w->spaces[w->n_spaces++] = (struct waiting_ns){ id, *ret };
	return err;
}

static ReuseportEntry *copy_group(const ReuseportEntry *from)
{
	ReuseportEntry *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	reuseport_entry__init(e);
	e->index = from->index;
	e->has_filter = sk_set_bytes(&e->filter, from->filter.data, from->filter.len) == 0;
	return e;
}

int waiting_note(struct dump *d, const struct file_desc *f, const SockEntry *s)
{
	struct waiting *w;
	struct reqsk *q;
	int err = all_acknowledged(d, f->fd);

	if (!sk_table(d))
		return log_oom();
	if (!d->socks->waiting)
		d->socks->waiting = calloc(1, sizeof(*w));
	w = d->socks->waiting;
	if (!w || !GROW(w->sockets, w->n_sockets))
		return log_oom();
	if (err >= 0)
		err = space_of(w, s->net_ns_id, f->fd, &q);
	if (err >= 0)
		err = waiting_knock(d, f, q);
	if (err < 0) {
		log_debug("%s: what waits there cannot be taken: %s", file_desc_name(f), strerror(-err));
		return err == -EBUSY ? -EBUSY : -EAGAIN;
	}
	w->sockets[w->n_sockets++] = (struct waiting_at){ .file_id = f->id, .fd = f->fd, .q = q };
	if (s->reuseport && s->reuseport->has_filter) {
		w->sockets[w->n_sockets - 1].group = copy_group(s->reuseport);
		if (!w->sockets[w->n_sockets - 1].group)
			return log_oom();
	}
	if (d->socks->deferred && s->net_ns_id)
		return deferred_note(w, f);
	return s->net_ns_id ? 0 : list_peers(d, f->fd, WAITING, lock_peer, d);
}

static void return_waiting(struct sock_table *t)
{
	if (t->waiting && t->waiting->usher && usher_end(TAKE_PTR(t->waiting->usher), true) < 0)
		log_error("TCP connections that waited to be accepted are lost");
}

void waiting_done(struct sock_table *t)
{
	struct waiting *w = t->waiting;

	if (!w)
		return;
	return_waiting(t);
	for (size_t i = 0; i < w->n_deferred; i++)
		tcp_waiting_entry__free_unpacked(w->deferred[i], NULL);
	free(w->deferred);
	for (size_t i = 0; i < w->n_spaces; i++)
		reqsk_close(w->spaces[i].q);
	for (size_t i = 0; i < w->n_sockets; i++)
		if (w->sockets[i].group)
			reuseport_entry__free_unpacked(w->sockets[i].group, NULL);
	free(w->spaces);
	free(w->sockets);
	free(w);
	t->waiting = NULL;
}

static void entry_done(TcpWaitingEntry **e)
{
	if (*e)
		tcp_waiting_entry__free_unpacked(*e, NULL);
}

static int write_all_of(struct usher *u, struct image_file *out)
{
	for (size_t n = 0;; n++) {
		_cleanup_(entry_done) TcpWaitingEntry *e = NULL;
		int err = usher_next(u, &e);

		if (err < 0)
			return log_errno(err, "TCP connections that wait to be accepted");
		if (!e) {
			log_info("%zu TCP connections wait to be accepted", n);
			return 0;
		}
		err = image_file_write(out, &e->base);
		if (err < 0)
			return err;
	}
}

int sock_take_waiting(struct dump *d)
{
	struct waiting *w = d->socks ? d->socks->waiting : NULL;
	struct image_file *out;
	int locks[LOCKS_MAX], err, end;

	if (!w || !w->n_sockets)
		return 0;
	err = usher_start(d, w, locks, net_lock_fds(d, locks, LOCKS_MAX), &w->usher);
	if (err < 0)
		return log_errno(err, "process for TCP connections that wait to be accepted");
	err = image_file_create(d->img, "waiting", &out);
	if (err < 0)
		return err;
	err = write_all_of(w->usher, out);
	for (size_t i = 0; err >= 0 && i < w->n_deferred; i++)
		err = image_file_write(out, &w->deferred[i]->base);
	end = image_file_close(out);
	return err < 0 ? err : end;
}

void sock_return_waiting(struct dump *d)
{
	if (d->socks)
		return_waiting(d->socks);
}

void sock_drop_waiting(struct dump *d)
{
	if (d->socks && d->socks->waiting)
		(void)usher_end(TAKE_PTR(d->socks->waiting->usher), false);
}

static bool entry_ok(const struct restore *r, const TcpWaitingEntry *e)
{
	const FileEntry *msg = files_entry(r, e->file_id);
	const TcpConnEntry *c = e->conn;

	return msg && msg->kind_case == FILE_ENTRY__KIND_TCP && msg->tcp->listening &&
	       sk_inet_addr_ok(&e->local, msg->tcp->sock->domain) &&
	       sk_inet_addr_ok(&e->remote, msg->tcp->sock->domain) && tcp_conn_ok(c) &&
	       reqsk_state_ok(c->state) && !c->snd_queue.len;
}

int sock_load_waiting(struct restore *r)
{
	struct sock_store *s = sk_store(r);
	int err = s ? 0 : log_oom();

	if (err >= 0)
		err = image_read(r->img, "waiting", &tcp_waiting_entry__descriptor, &s->waiting,
				 &s->n_waiting);
	for (size_t i = 0; err >= 0 && i < s->n_waiting; i++) {
		if (entry_ok(r, (const TcpWaitingEntry *)s->waiting[i]))
			continue;
		log_error("waiting.img: record %zu: no sane TCP connection; the image is damaged", i);
		err = -EBADMSG;
	}
	return err;
}

/* Is it given up? Says so. */
static bool given_up(const struct restore *r, const TcpWaitingEntry *e, const FileEntry *msg)
{
	union sk_addr a;
	ProtobufCBinaryData local = { .len = MIN(e->local.len, sizeof(a)), .data = (uint8_t *)&a };
	const char *why = NULL;

	memcpy(&a, e->local.data, local.len);
	if (r->opt->tcp_close)
		why = "--tcp-close";
	else if (inet_follow(r, msg->tcp->sock->net_ns_id, &local))
		why = "--ip changes its address";
	if (!why)
		return false;
	log_warn("%s: TCP connection of %s with %s, which waits to be accepted: given up, %s",
		 file_entry_name(msg), sk_addr_text(e->local.data, e->local.len),
		 sk_addr_text(e->remote.data, e->remote.len), why);
	return true;
}

static int restore_one(struct restore *r, struct waiting *w, const TcpWaitingEntry *e)
{
	const FileEntry *msg = files_entry(r, e->file_id);
	int fd = files_get(r, e->file_id), err;
	size_t spaces = w->n_spaces;
	struct reqsk *q;

	if (fd < 0)
		return fd;
	if (given_up(r, e, msg))
		return 0;
	err = space_of(w, msg->tcp->sock->net_ns_id, fd, &q);
	if (err < 0)
		return log_errno(err,
				 "%s: TCP connections that wait to be accepted (Linux 6.9 makes them); "
				 "--tcp-close goes without",
				 file_entry_name(msg));
	err = w->n_spaces > spaces ? reqsk_begin(q) : 0;
	return err < 0 ? err : reqsk_put(q, fd, e);
}

int sock_restore_waiting(struct restore *r)
{
	struct sock_store *s = r->socks;
	struct sock_table t = { .waiting = calloc(1, sizeof(*t.waiting)) };
	int err = 0;

	if (!t.waiting)
		return log_oom();
	for (size_t i = 0; s && err >= 0 && i < s->n_waiting; i++)
		err = restore_one(r, t.waiting, (const TcpWaitingEntry *)s->waiting[i]);
	for (size_t i = 0; i < t.waiting->n_spaces; i++)
		reqsk_end(t.waiting->spaces[i].q);
	waiting_done(&t);
	return err;
}
