/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv6 flow labels, RFC 6437, net/ipv6/ip6_flowlabel.c of Linux 6.18.
 *
 * /proc/PID/net/ip6_flowlabel lists the leases of a namespace, not whose they are: a socket is asked to renew
 * each as briefly as can be, which it can do with its own only. The one it uses comes back with the peer's
 * address, by connect(2) with IPV6_FLOWINFO_SEND. Refused: leases for one process or user, as the lease would
 * be ours, and those with extension headers. Lost: a label that only reflects the peer's (warned; the kernel
 * takes it up again from the peer's next packet where IPV6 options of it are received), that of the last
 * packet (IPV6_FL_F_REMOTE), and how long a lease that has ended lingers.
 */
#include <linux/in6.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "sock/flowlabel.h"
#include "sock/sk.h"

#define LABEL_MASK 0xfffffU
#define TABLE "net/ip6_flowlabel"

struct lease {
	uint32_t label, share, options;
	uint32_t linger, expires; /* seconds */
	struct in6_addr dst;
};

/* "000AB 255 0 1 6 5 fd000000000000000000000000000001 0" */
static bool parse_line(const char *line, struct lease *l)
{
	char hex[33];
	int expires;

	if (sscanf(line, "%5x %u %*d %*d %u %d %32s %u", &l->label, &l->share, &l->linger, &expires, hex,
		   &l->options) != 6 ||
	    strlen(hex) != 32)
		return false;
	l->expires = (uint32_t)MAX(expires, 0);
	for (size_t i = 0; i < 16; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &l->dst.s6_addr[i]) != 1)
			return false;
	return true;
}

/* The text of the namespace's table, read once; NULL: empty, as a rule. */
static int table_of(struct dump *d, const struct file_desc *f, uint32_t ns_id, char **ret)
{
	_cleanup_free_ char *text = NULL;
	struct sock_table *t = sk_table(d);
	int err;

	if (!t)
		return -ENOMEM;
	*ret = map_get(&t->labels, ns_id);
	if (*ret)
		return 0;
	err = read_text_at(f->task->proc, TABLE, &text);
	if (err < 0 && err != -ENOENT)
		return err;
	if (!text)
		text = strdup("");
	if (!text || map_put(&t->labels, ns_id, text) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	return 0;
}

static int request(int fd, uint32_t label, uint8_t action, const FlowLabelEntry *e)
{
	struct in6_flowlabel_req req = {
		.flr_label = htonl(label),
		.flr_action = action,
		.flr_share = e ? (uint8_t)e->share : IPV6_FL_S_ANY,
		.flr_flags = e ? IPV6_FL_F_CREATE : 0,
		.flr_expires = e ? (uint16_t)e->expires : 0,
		.flr_linger = e ? (uint16_t)e->linger : 0,
	};

	if (e)
		memcpy(&req.flr_dst, e->dst.data, sizeof(req.flr_dst));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, sizeof(req)) < 0 ? -errno : 0;
}

static int add_lease(const struct file_desc *f, SockEntry *s, const struct lease *l)
{
	FlowLabelEntry *e;

	if ((l->share != IPV6_FL_S_EXCL && l->share != IPV6_FL_S_ANY) || l->options) {
		log_error("%s: has leased the flow label %05x %s, which cannot be restored; give it back",
			  file_desc_name(f), l->label,
			  l->options ? "with extension headers" : "for its process or user alone");
		return -EOPNOTSUPP;
	}
	e = malloc(sizeof(*e));
	if (!e || !GROW(s->labels, s->n_labels)) {
		free(e);
		return log_oom();
	}
	flow_label_entry__init(e);
	s->labels[s->n_labels++] = e;
	e->label = l->label;
	e->share = l->share;
	e->linger = MIN(l->linger, (uint32_t)UINT16_MAX);
	e->expires = MIN(l->expires, (uint32_t)UINT16_MAX);
	return sk_set_bytes(&e->dst, &l->dst, sizeof(l->dst)) < 0 ? log_oom() : 0;
}

static bool has_label(const SockEntry *s, uint32_t label)
{
	for (size_t i = 0; i < s->n_labels; i++)
		if (s->labels[i]->label == label)
			return true;
	return false;
}

/* connect(2) would refuse it. */
static void take_out(const struct file_desc *f, const SockEntry *s, ProtobufCBinaryData *remote)
{
	struct sockaddr_in6 a;
	uint32_t label;

	if (remote->len != sizeof(a))
		return;
	memcpy(&a, remote->data, sizeof(a));
	label = ntohl(a.sin6_flowinfo) & LABEL_MASK;
	if (!label || has_label(s, label))
		return;
	log_warn("%s: its flow label %05x, which it has not leased, is lost", file_desc_name(f), label);
	a.sin6_flowinfo &= ~htonl(LABEL_MASK);
	memcpy(remote->data, &a, sizeof(a));
}

int flowlabel_dump(struct dump *d, const struct file_desc *f, SockEntry *s, ProtobufCBinaryData *remote)
{
	_cleanup_free_ char *copy = NULL;
	char *text, *p, *line;
	int err;

	if (s->domain != AF_INET6)
		return 0;
	err = table_of(d, f, s->net_ns_id, &text);
	if (err < 0)
		return log_errno(err, "%s: flow labels (/proc/%d/" TABLE ")", file_desc_name(f),
				 f->task->pid);
	copy = strdup(text);
	p = copy;
	while (err == 0 && p && (line = next_line(&p))) {
		struct lease l;

		if (parse_line(line, &l) && request(f->fd, l.label, IPV6_FL_A_RENEW, NULL) == 0)
			err = add_lease(f, s, &l);
	}
	take_out(f, s, remote);
	return err;
}

uint32_t flowlabel_in_use(int fd)
{
	struct in6_flowlabel_req req = { 0 };
	socklen_t len = sizeof(req);

	return getsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, &len) < 0 ? 0 : req.flr_label;
}

bool flowlabel_ok(const FlowLabelEntry *e)
{
	return e->label && e->label <= LABEL_MASK && e->dst.len == 16 && e->linger <= UINT16_MAX &&
	       e->expires <= UINT16_MAX && (e->share == IPV6_FL_S_EXCL || e->share == IPV6_FL_S_ANY);
}

int flowlabel_restore(const FileEntry *msg, const SockEntry *s, int fd)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		int err = request(fd, s->labels[i]->label, IPV6_FL_A_GET, s->labels[i]);

		if (err < 0)
			return log_errno(err, "%s: lease the flow label %05x", file_entry_name(msg),
					 s->labels[i]->label);
	}
	return 0;
}
