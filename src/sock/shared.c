/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include "base/log.h"
#include "base/procfs.h"
#include "file/file.h"
#include "net/net.h"
#include "net/rtnl.h"
#include "proto/waiting.pb-c.h"
#include "sock/inet.h"
#include "sock/shared.h"
#include "sock/sk.h"

#define CONNECTED                                                                               \
	(1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT | \
	 1 << TCP_LAST_ACK | 1 << TCP_CLOSING)

static int add_conn(struct netlock_conns *c, const struct netlock_conn *v)
{
	if (!GROW(c->v, c->n))
		return -ENOMEM;
	c->v[c->n++] = *v;
	return 0;
}

static int add_port(struct netlock_conns *c, uint16_t port)
{
	if (!GROW(c->ports, c->n_ports))
		return -ENOMEM;
	c->ports[c->n_ports++] = port;
	return 0;
}

static int by_conn(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct netlock_conn));
}

static void sort(struct netlock_conns *c)
{
	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_conn);
}

static void put_addr(const union sk_addr *a, uint8_t addr[16], uint16_t *port)
{
	*port = a->in.sin_port;
	if (a->sa.sa_family == AF_INET)
		memcpy(addr, &a->in.sin_addr, 4);
	else
		memcpy(addr, &a->in6.sin6_addr, 16);
}

static struct netlock_conn conn_of(const TcpEntry *t)
{
	struct netlock_conn c;
	union sk_addr local = { 0 }, remote = { 0 };

	memset(&c, 0, sizeof(c)); /* compared as bytes */
	memcpy(&local, t->local.data, MIN(t->local.len, sizeof(local)));
	memcpy(&remote, t->remote.data, MIN(t->remote.len, sizeof(remote)));
	inet_unmap(&local);
	inet_unmap(&remote);
	c.family = local.sa.sa_family;
	put_addr(&local, c.local, &c.lport);
	put_addr(&remote, c.remote, &c.rport);
	return c;
}

struct listing {
	struct map inodes; /* the tree's sockets */
	struct netlock_conns *ret;
};

static bool is_mapped(const struct inet_diag_msg *m)
{
	return m->idiag_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)m->id.idiag_src);
}

struct netlock_conn shared_conn(const struct inet_diag_msg *m)
{
	const bool mapped = is_mapped(m);
	struct netlock_conn c;

	memset(&c, 0, sizeof(c));
	c.family = mapped ? AF_INET : m->idiag_family;
	c.lport = m->id.idiag_sport;
	c.rport = m->id.idiag_dport;
	memcpy(c.local, &m->id.idiag_src[mapped ? 3 : 0], c.family == AF_INET ? 4 : 16);
	memcpy(c.remote, &m->id.idiag_dst[mapped ? 3 : 0], c.family == AF_INET ? 4 : 16);
	return c;
}

static int take_socket(void *arg, const void *payload, size_t len)
{
	const struct inet_diag_msg *m = payload;
	struct listing *l = arg;
	struct netlock_conn c;

	if (len < sizeof(*m) || !m->idiag_inode || !map_get(&l->inodes, m->idiag_inode))
		return 0;
	if (m->idiag_state == TCP_LISTEN)
		return add_port(l->ret, m->id.idiag_sport);
	c = shared_conn(m);
	return add_conn(l->ret, &c);
}

static int list_family(struct dump *d, int sock, uint8_t family, struct listing *l)
{
	const struct inet_diag_req_v2 req = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = CONNECTED | 1 << TCP_SYN_SENT | 1 << TCP_LISTEN,
	};

	return sk_diag(d, sock, &req, sizeof(req), true, take_socket, l);
}

static bool any_shares(const struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		if (!d->tasks[i]->ns[NS_NET])
			return true;
	return false;
}

int shared_dump(struct dump *d, struct netlock_conns *ret)
{
	struct listing l = { .ret = ret };
	_cleanup_close_ int sock = -1;
	int err;

	if (!any_shares(d))
		return 0;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = sock < 0 ? -errno : sk_inodes(d, &l.inodes);
	if (err == 0 && l.inodes.n)
		err = list_family(d, sock, AF_INET, &l);
	if (err == 0 && l.inodes.n)
		err = list_family(d, sock, AF_INET6, &l);
	map_done(&l.inodes);
	sort(ret);
	return err < 0 ? log_errno(err, "the TCP connections of the tree (sock_diag)") : 0;
}

int shared_lock(struct dump *d, const TcpEntry *t)
{
	const struct netlock_conn c = conn_of(t);

	return t->sock->net_ns_id ? 0 : net_lock_conn(d, &c);
}

/* The TCP socket @id of the image, if it is in the shared namespace. */
static const TcpEntry *tcp_entry(const FileEntry *msg)
{
	return msg->kind_case == FILE_ENTRY__KIND_TCP && !msg->tcp->sock->net_ns_id ? msg->tcp : NULL;
}

/* Those a listening socket of the shared namespace has not accepted yet. */
static int add_waiting(const struct restore *r, struct netlock_conns *ret)
{
	const struct sock_store *s = r->socks;
	int err = 0;

	for (size_t i = 0; s && err == 0 && i < s->n_waiting; i++) {
		const TcpWaitingEntry *e = (const TcpWaitingEntry *)s->waiting[i];
		const TcpEntry t = { .local = e->local, .remote = e->remote };
		struct netlock_conn c = conn_of(&t);

		if (tcp_entry(files_entry(r, e->file_id)))
			err = add_conn(ret, &c);
	}
	return err;
}

int shared_image(const struct restore *r, struct netlock_conns *ret)
{
	const FileEntry *msg;
	int err = 0;

	for (uint32_t id = 1; err == 0 && (msg = files_entry(r, id)); id++) {
		const TcpEntry *t = tcp_entry(msg);
		struct netlock_conn c;

		if (!t || (!t->conn && !(t->connecting && t->has_local && t->has_remote)))
			continue;
		c = conn_of(t);
		err = add_conn(ret, &c);
	}
	if (err == 0)
		err = add_waiting(r, ret);
	return err < 0 ? log_oom() : 0;
}

static bool has_opt(const SockEntry *s, uint32_t level, uint32_t name)
{
	int v = 0;

	for (size_t i = 0; i < s->n_opts; i++)
		if (s->opts[i]->level == level && s->opts[i]->name == name)
			memcpy(&v, s->opts[i]->value.data, MIN(s->opts[i]->value.len, sizeof(v)));
	return v;
}

/* By the kernel's own rules, for a moment; what else is wrong is found out when the socket is made. */
static int check_port(const FileEntry *msg)
{
	const TcpEntry *t = msg->tcp;
	_cleanup_close_ int fd = socket((int)t->sock->domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int one = 1;

	if (fd < 0)
		return log_errno(-errno, "%s: socket", file_entry_name(msg));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (has_opt(t->sock, SOL_SOCKET, SO_REUSEPORT))
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (has_opt(t->sock, IPPROTO_IPV6, IPV6_V6ONLY))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)t->local.data, t->local.len) == 0 || errno != EADDRINUSE)
		return 0;
	log_error("%s: %s is taken on this host by another program; end it first", file_entry_name(msg),
		  sk_addr_text(t->local.data, t->local.len));
	return -EADDRINUSE;
}

static int check_conn(struct rtnl *diag, const FileEntry *msg)
{
	const TcpEntry *t = msg->tcp;
	const struct netlock_conn c = conn_of(t);
	struct inet_diag_req_v2 req = {
		.sdiag_family = c.family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = CONNECTED,
		.id = { .idiag_sport = c.lport,
			.idiag_dport = c.rport,
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	_cleanup_free_ struct nlmsghdr *answer = NULL;
	const struct inet_diag_msg *m;
	struct rtnl_req q;
	int err;

	memcpy(req.id.idiag_src, c.local, sizeof(c.local));
	memcpy(req.id.idiag_dst, c.remote, sizeof(c.remote));
	rtnl_begin(&q, SOCK_DIAG_BY_FAMILY, 0, &req, sizeof(req));
	err = rtnl_get(diag, &q, &answer);
	if (err < 0)
		return err == -ENOENT ? 0 : log_errno(err, "%s: sock_diag", file_entry_name(msg));
	if (mnl_nlmsg_get_payload_len(answer) < sizeof(*m))
		return 0;
	m = mnl_nlmsg_get_payload(answer);
	if (!tcp_state_connected(m->idiag_state)) /* a listener that would get it, a remainder */
		return 0;
	log_error("%s: the TCP connection of %s with %s exists on this host; end it first (ss -K), or pass "
		  "--tcp-close",
		  file_entry_name(msg), sk_addr_text(t->local.data, t->local.len),
		  sk_addr_text(t->remote.data, t->remote.len));
	return -EADDRINUSE;
}

int shared_plan(const struct restore *r)
{
	_cleanup_rtnl_ struct rtnl diag = { .fd = -1 };
	const FileEntry *msg;
	int err = 0;

	for (uint32_t id = 1; err == 0 && (msg = files_entry(r, id)); id++) {
		const TcpEntry *t = tcp_entry(msg);

		if (!t || file_inherited(r, msg))
			continue;
		if (t->listening)
			err = check_port(msg);
		if (!t->conn || r->opt->tcp_close)
			continue;
		if (diag.fd < 0)
			err = rtnl_open_protocol(-1, NETLINK_SOCK_DIAG, &diag);
		if (err == 0)
			err = check_conn(&diag, msg);
	}
	return err;
}
