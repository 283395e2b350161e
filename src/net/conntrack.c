/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection tracking (net/netfilter/nf_conntrack_netlink.c): without its entries a stateful firewall
 * in the container would drop the answers to connections it had let out.
 *
 * Entries are sent back with their tuples, zone, status, timeout, mark, labels, helper and protocol state,
 * those that were expected after their masters; then the expectations (conntrack_exp.c). Address
 * translation is shown only by a reply tuple that is not the inverse of the original one: the inverse
 * is sent, and the difference as CTA_NAT_SRC and CTA_NAT_DST. Left out: windows (not shown), counters
 * and times (not taken).
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "base/io.h"
#include "base/log.h"
#include "net/conntrack.h"
#include "net/link.h"

#define CT_TYPE(msg) (NFNL_SUBSYS_CTNETLINK << 8 | (msg))
#define NAT_BITS (IPS_SRC_NAT | IPS_DST_NAT)
#define KEPT_BITS (IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT | IPS_HELPER)

struct tuple {
	const struct nlattr *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
};

static int nested(const struct nlattr *a, const struct nlattr **tb, unsigned int max)
{
	return a ? rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, max) : -EBADMSG;
}

static int tuple_parse(const struct nlattr *a, struct tuple *ret)
{
	const struct nlattr *tb[CTA_TUPLE_MAX + 1] = { 0 };
	int err = nested(a, tb, CTA_TUPLE_MAX);

	if (err == 0)
		err = nested(tb[CTA_TUPLE_IP], ret->ip, CTA_IP_MAX);
	return err == 0 ? nested(tb[CTA_TUPLE_PROTO], ret->proto, CTA_PROTO_MAX) : err;
}

static struct nlattr *nest(struct rtnl_req *q, uint16_t type)
{
	return mnl_attr_nest_start_check(&q->h, sizeof(*q), type);
}

static int put_as(struct rtnl_req *q, uint16_t type, const struct nlattr *a)
{
	return a ? rtnl_put(q, type, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a)) : 0;
}

/* The reply tuple of a connection that is not translated. */
static int put_inverse(struct rtnl_req *q, const struct tuple *t)
{
	struct nlattr *top = nest(q, CTA_TUPLE_REPLY), *sub = top ? nest(q, CTA_TUPLE_IP) : NULL;
	int ret = 0;

	if (!sub)
		return -E2BIG;
	ret |= put_as(q, CTA_IP_V4_SRC, t->ip[CTA_IP_V4_DST]);
	ret |= put_as(q, CTA_IP_V4_DST, t->ip[CTA_IP_V4_SRC]);
	ret |= put_as(q, CTA_IP_V6_SRC, t->ip[CTA_IP_V6_DST]);
	ret |= put_as(q, CTA_IP_V6_DST, t->ip[CTA_IP_V6_SRC]);
	mnl_attr_nest_end(&q->h, sub);
	sub = nest(q, CTA_TUPLE_PROTO);
	if (!sub)
		return -E2BIG;
	ret |= put_as(q, CTA_PROTO_NUM, t->proto[CTA_PROTO_NUM]);
	ret |= put_as(q, CTA_PROTO_SRC_PORT, t->proto[CTA_PROTO_DST_PORT]);
	ret |= put_as(q, CTA_PROTO_DST_PORT, t->proto[CTA_PROTO_SRC_PORT]);
	mnl_attr_nest_end(&q->h, sub);
	mnl_attr_nest_end(&q->h, top);
	return ret ? -E2BIG : 0;
}

/* Translated to the one address and port. */
static int put_nat(struct rtnl_req *q, uint16_t type, const struct nlattr *v4, const struct nlattr *v6,
		   const struct nlattr *port)
{
	struct nlattr *top = nest(q, type), *sub;
	int ret = 0;

	if (!top)
		return -E2BIG;
	ret |= put_as(q, CTA_NAT_V4_MINIP, v4);
	ret |= put_as(q, CTA_NAT_V4_MAXIP, v4);
	ret |= put_as(q, CTA_NAT_V6_MINIP, v6);
	ret |= put_as(q, CTA_NAT_V6_MAXIP, v6);
	sub = port ? nest(q, CTA_NAT_PROTO) : NULL;
	if (sub) {
		ret |= put_as(q, CTA_PROTONAT_PORT_MIN, port);
		ret |= put_as(q, CTA_PROTONAT_PORT_MAX, port);
		mnl_attr_nest_end(&q->h, sub);
	}
	mnl_attr_nest_end(&q->h, top);
	return ret ? -E2BIG : 0;
}

static int put_reply(struct rtnl_req *q, const struct nlattr *const *tb, uint32_t status)
{
	struct tuple orig = { 0 }, reply = { 0 };
	int ret;

	if (!(status & NAT_BITS))
		return rtnl_put_raw(q, tb[CTA_TUPLE_REPLY], tb[CTA_TUPLE_REPLY]->nla_len);
	ret = tuple_parse(tb[CTA_TUPLE_ORIG], &orig);
	if (ret == 0)
		ret = tuple_parse(tb[CTA_TUPLE_REPLY], &reply);
	if (ret < 0)
		return ret;
	if (!orig.proto[CTA_PROTO_SRC_PORT] || !reply.proto[CTA_PROTO_SRC_PORT])
		return 1; /* ICMP: of seconds only */
	ret = put_inverse(q, &orig);
	if (ret == 0 && (status & IPS_SRC_NAT))
		ret = put_nat(q, CTA_NAT_SRC, reply.ip[CTA_IP_V4_DST], reply.ip[CTA_IP_V6_DST],
			      reply.proto[CTA_PROTO_DST_PORT]);
	if (ret == 0 && (status & IPS_DST_NAT))
		ret = put_nat(q, CTA_NAT_DST, reply.ip[CTA_IP_V4_SRC], reply.ip[CTA_IP_V6_SRC],
			      reply.proto[CTA_PROTO_SRC_PORT]);
	return ret;
}

/* Flags are shown without a mask, and taken by it. */
static int put_tcp(struct rtnl_req *q, const struct nlattr *info)
{
	const struct nlattr *tb[CTA_PROTOINFO_TCP_MAX + 1] = { 0 };
	struct nlattr *sub = nest(q, CTA_PROTOINFO_TCP);
	int ret = nested(info, tb, CTA_PROTOINFO_TCP_MAX);

	if (!sub)
		return -E2BIG;
	for (unsigned int i = 1; i <= CTA_PROTOINFO_TCP_MAX && ret == 0; i++) {
		struct nf_ct_tcp_flags f = { .mask = 0xff };

		if (!tb[i])
			continue;
		if (i == CTA_PROTOINFO_TCP_FLAGS_ORIGINAL || i == CTA_PROTOINFO_TCP_FLAGS_REPLY) {
			/* The windows are not shown: without them every segment would look out of window. */
			f.flags = rtnl_u8(tb[i], 0) | IP_CT_TCP_FLAG_BE_LIBERAL;
			ret = rtnl_put(q, i, &f, sizeof(f));
		} else {
			ret = put_as(q, i, tb[i]);
		}
	}
	mnl_attr_nest_end(&q->h, sub);
	return ret;
}

static int put_protoinfo(struct rtnl_req *q, const struct nlattr *info)
{
	const struct nlattr *tb[CTA_PROTOINFO_MAX + 1] = { 0 };
	struct nlattr *top;
	int ret = nested(info, tb, CTA_PROTOINFO_MAX);

	if (ret < 0 || !tb[CTA_PROTOINFO_TCP])
		return ret < 0 ? ret : rtnl_put_raw(q, info, info->nla_len);
	top = nest(q, CTA_PROTOINFO);
	if (!top)
		return -E2BIG;
	ret = put_tcp(q, tb[CTA_PROTOINFO_TCP]);
	mnl_attr_nest_end(&q->h, top);
	return ret;
}

/* @ties: with the helper and the master, which may not be there. */
static int edit(const void *data, size_t len, bool ties, struct rtnl_req *q)
{
	static const uint16_t keep[] = { CTA_TUPLE_ORIG, CTA_TIMEOUT,	   CTA_MARK,	      CTA_ZONE,
					 CTA_LABELS,	 CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY, CTA_SYNPROXY,
					 CTA_HELP,	 CTA_TUPLE_MASTER };
	const size_t n_keep = ARRAY_SIZE(keep) - (ties ? 0 : 2);
	const struct nlattr *tb[CTA_MAX + 1] = { 0 };
	const size_t at = sizeof(struct nfgenmsg);
	uint32_t status;
	int ret = len < at ? -EBADMSG : rtnl_attrs_raw((const char *)data + at, len - at, tb, CTA_MAX);

	if (ret < 0 || !tb[CTA_TUPLE_ORIG] || !tb[CTA_TUPLE_REPLY])
		return -EBADMSG;
	status = ntohl(rtnl_u32(tb[CTA_STATUS], 0));
	if ((status & IPS_DYING) || !tb[CTA_TIMEOUT])
		return 1;
	rtnl_begin(q, CT_TYPE(IPCTNL_MSG_CT_NEW), NLM_F_CREATE | NLM_F_EXCL, data, at);
	for (size_t i = 0; i < n_keep && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	if (ret == 0)
		ret = put_reply(q, tb, status);
	status = htonl((status & KEPT_BITS) | IPS_CONFIRMED);
	if (ret == 0)
		ret = rtnl_put(q, CTA_STATUS, &status, 4);
	if (ret == 0 && tb[CTA_PROTOINFO])
		ret = put_protoinfo(q, tb[CTA_PROTOINFO]);
	return ret;
}

int conntrack_edit(const void *data, size_t len, struct rtnl_req *q)
{
	return edit(data, len, true, q);
}

/* How many the namespace has: to list them means to walk the whole host's table, some 5 ms. */
static int count_entries(struct rtnl *nl, uint32_t *ret)
{
	const struct nfgenmsg g = { .nfgen_family = AF_UNSPEC };
	const struct nlattr *tb[CTA_STATS_GLOBAL_MAX + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct rtnl_req q;
	int err;

	rtnl_begin(&q, CT_TYPE(IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK, &g,
		   sizeof(g)); /* a list without an end */
	err = rtnl_get(nl, &q, &h);
	if (err == 0)
		err = rtnl_attrs(h, sizeof(g), tb, CTA_STATS_GLOBAL_MAX);
	if (err == 0)
		*ret = ntohl(rtnl_u32(tb[CTA_STATS_GLOBAL_ENTRIES], UINT32_MAX));
	return err;
}

int conntrack_dump(struct net_dump *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_open_protocol(n->ns->fd, NETLINK_NETFILTER, &nl);
	uint32_t entries = 0;

	if (ret == 0)
		ret = count_entries(&nl, &entries);
	if (ret == 0 && entries)
		ret = rtnl_list_family(&nl, CT_TYPE(IPCTNL_MSG_CT_GET), AF_UNSPEC, sizeof(struct nfgenmsg),
				       &list);
	for (size_t i = 0; i < list.n && ret == 0; i++)
		ret = bytes_add(&n->msg->n_conntrack, &n->msg->conntrack, list.v[i]);
	if (ret == 0 && entries)
		ret = expectations_dump(n, &nl);
	close_later(take_fd(&nl.fd));
	if (ret == -EOPNOTSUPP || ret == -EINVAL || ret == -EPROTONOSUPPORT)
		return 0; /* a kernel without it */
	return ret < 0 ? log_errno(ret, "network namespace %u: tracked connections", n->msg->ns_id) : 0;
}

static bool is_expected(const ProtobufCBinaryData *b)
{
	const struct nlattr *tb[CTA_MAX + 1] = { 0 };
	const size_t at = sizeof(struct nfgenmsg);

	return b->len >= at && rtnl_attrs_raw(b->data + at, b->len - at, tb, CTA_MAX) == 0 &&
	       tb[CTA_TUPLE_MASTER];
}

/* A connection without its helper or its master is still better than none. */
static int restore_one(struct rtnl *nl, const ProtobufCBinaryData *b)
{
	struct rtnl_req q;
	int ret = edit(b->data, b->len, true, &q);

	if (ret == 0)
		ret = rtnl_do(nl, &q);
	if (ret == -EOPNOTSUPP || ret == -ENOENT) {
		ret = edit(b->data, b->len, false, &q);
		if (ret == 0)
			ret = rtnl_do(nl, &q);
		if (ret == 0)
			log_warn(
				"a tracked connection lost its helper or its master: this kernel has it not");
	}
	return ret == 1 || ret == -EEXIST ? 0 : ret;
}

int conntrack_restore(struct rnet *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	int ret = n->msg->n_conntrack ? rtnl_open_protocol(n->ns_fd, NETLINK_NETFILTER, &nl) : 0;

	for (int expected = 0; expected < 2; expected++)
		for (size_t i = 0; i < n->msg->n_conntrack && ret == 0; i++)
			if (is_expected(&n->msg->conntrack[i]) == expected)
				ret = restore_one(&nl, &n->msg->conntrack[i]);
	if (ret == 0 && n->msg->n_conntrack)
		ret = expectations_restore(n, &nl);
	close_later(take_fd(&nl.fd));
	return ret < 0 ? log_errno(ret, "network namespace %u: tracked connection%s%s", n->msg->ns_id,
				   nl.why[0] ? ": " : "", nl.why)
		       : 0;
}
