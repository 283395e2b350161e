/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's own nftables ruleset (also that of iptables-nft), as messages sent back in one
 * transaction: tables, flowtables, objects, chains, sets and maps, their elements, rules.
 *
 * Counters, quotas, remaining times of elements are part of the messages. Left out is what the
 * kernel hands out: handles (`nft -a` shows others afterwards) and use counts. A table that a process
 * owns (NFT_TABLE_F_OWNER) comes back without an owner: warned of. Ours, the lock, is skipped.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "net/link.h"
#include "net/nft.h"
#include "netlock/netlock.h"

#define NFT_TYPE(msg) (NFNL_SUBSYS_NFTABLES << 8 | (msg))
#define ATTR_TABLE 1 /* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE ...: the same in all */
#define ATTR_NAME 2 /* of sets */
#define ATTR_MAX 31
#define BIT(n) (1u << (n))

/* In the order in which they can be made. */
static const struct nft_kind {
	uint8_t get, new;
	const char *name;
	uint32_t keep; /* attributes that are sent back */
} kinds[] = {
	{ NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE, "table",
	  BIT(NFTA_TABLE_NAME) | BIT(NFTA_TABLE_FLAGS) | BIT(NFTA_TABLE_USERDATA) },
	{ NFT_MSG_GETFLOWTABLE, NFT_MSG_NEWFLOWTABLE, "flowtable",
	  BIT(NFTA_FLOWTABLE_TABLE) | BIT(NFTA_FLOWTABLE_NAME) | BIT(NFTA_FLOWTABLE_HOOK) |
		  BIT(NFTA_FLOWTABLE_FLAGS) },
	{ NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ, "object",
	  BIT(NFTA_OBJ_TABLE) | BIT(NFTA_OBJ_NAME) | BIT(NFTA_OBJ_TYPE) | BIT(NFTA_OBJ_DATA) |
		  BIT(NFTA_OBJ_USERDATA) },
	{ NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, "chain",
	  BIT(NFTA_CHAIN_TABLE) | BIT(NFTA_CHAIN_NAME) | BIT(NFTA_CHAIN_HOOK) | BIT(NFTA_CHAIN_POLICY) |
		  BIT(NFTA_CHAIN_TYPE) | BIT(NFTA_CHAIN_COUNTERS) | BIT(NFTA_CHAIN_FLAGS) |
		  BIT(NFTA_CHAIN_USERDATA) },
	{ NFT_MSG_GETSET, NFT_MSG_NEWSET, "set",
	  BIT(NFTA_SET_TABLE) | BIT(NFTA_SET_NAME) | BIT(NFTA_SET_FLAGS) | BIT(NFTA_SET_KEY_TYPE) |
		  BIT(NFTA_SET_KEY_LEN) | BIT(NFTA_SET_DATA_TYPE) | BIT(NFTA_SET_DATA_LEN) |
		  BIT(NFTA_SET_POLICY) | BIT(NFTA_SET_DESC) | BIT(NFTA_SET_TIMEOUT) |
		  BIT(NFTA_SET_GC_INTERVAL) | BIT(NFTA_SET_USERDATA) | BIT(NFTA_SET_OBJ_TYPE) |
		  BIT(NFTA_SET_EXPR) | BIT(NFTA_SET_EXPRESSIONS) },
	{ NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM, "set element",
	  BIT(NFTA_SET_ELEM_LIST_TABLE) | BIT(NFTA_SET_ELEM_LIST_SET) | BIT(NFTA_SET_ELEM_LIST_ELEMENTS) },
	{ NFT_MSG_GETRULE, NFT_MSG_NEWRULE, "rule",
	  BIT(NFTA_RULE_TABLE) | BIT(NFTA_RULE_CHAIN) | BIT(NFTA_RULE_EXPRESSIONS) | BIT(NFTA_RULE_COMPAT) |
		  BIT(NFTA_RULE_USERDATA) },
};

static int attrs_of(const void *payload, size_t len, const struct nlattr **tb)
{
	const size_t at = sizeof(struct nfgenmsg);

	if (len < at)
		return -EBADMSG;
	return rtnl_attrs_raw((const char *)payload + at, len - at, tb, ATTR_MAX);
}

static int add_message(struct net_dump *n, const struct nft_kind *k, const struct nlmsghdr *h)
{
	NetEntry *m = n->msg;
	NftEntry *e = malloc(sizeof(*e));

	if (!e || !GROW(m->nft, m->n_nft)) {
		free(e);
		return log_oom();
	}
	nft_entry__init(e);
	m->nft[m->n_nft++] = e;
	e->type = k->new;
	return bytes_copy(&e->payload, mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h));
}

static void warn_owner(const struct nft_kind *k, const struct nlattr *const *tb, const char *table)
{
	if (k->new == NFT_MSG_NEWTABLE && tb[NFTA_TABLE_FLAGS] &&
	    ntohl(rtnl_u32(tb[NFTA_TABLE_FLAGS], 0)) & NFT_TABLE_F_OWNER)
		log_warn("nftables: table %s is owned by a process; restored, it will have no owner", table);
}

static int dump_answers(struct net_dump *n, const struct nft_kind *k, const struct rtnl_msgs *list)
{
	int ret = 0;

	for (size_t i = 0; i < list->n && ret == 0; i++) {
		const struct nlattr *tb[ATTR_MAX + 1] = { 0 };
		const char *table;

		if (list->v[i]->nlmsg_type != NFT_TYPE(k->new))
			continue;
		ret = attrs_of(mnl_nlmsg_get_payload(list->v[i]), mnl_nlmsg_get_payload_len(list->v[i]), tb);
		table = rtnl_str(tb[ATTR_TABLE]);
		if (ret < 0 || !table)
			return -EBADMSG;
		if (netlock_is_ours(table))
			continue;
		warn_owner(k, tb, table);
		ret = add_message(n, k, list->v[i]);
	}
	return ret;
}

/* Elements are asked for set by set. */
static int dump_elements(struct net_dump *n, struct rtnl *nl, const struct nft_kind *k)
{
	const size_t n_msgs = n->msg->n_nft;
	int ret = 0;

	for (size_t i = 0; i < n_msgs && ret == 0; i++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
		const NftEntry *e = n->msg->nft[i];
		const struct nlattr *tb[ATTR_MAX + 1] = { 0 };
		struct rtnl_req q;

		if (e->type != NFT_MSG_NEWSET)
			continue;
		ret = attrs_of(e->payload.data, e->payload.len, tb);
		if (ret < 0 || !tb[ATTR_TABLE] || !tb[ATTR_NAME])
			return -EBADMSG;
		rtnl_begin(&q, NFT_TYPE(k->get), 0, e->payload.data, sizeof(struct nfgenmsg));
		rtnl_put_raw(&q, tb[ATTR_TABLE], tb[ATTR_TABLE]->nla_len);
		rtnl_put_raw(&q, tb[ATTR_NAME], tb[ATTR_NAME]->nla_len);
		ret = rtnl_list(nl, &q, &list);
		if (ret == 0)
			ret = dump_answers(n, k, &list);
	}
	return ret;
}

static int dump_kind(struct net_dump *n, struct rtnl *nl, const struct nft_kind *k)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret;

	if (k->get == NFT_MSG_GETSETELEM)
		return dump_elements(n, nl, k);
	ret = rtnl_list_family(nl, NFT_TYPE(k->get), NFPROTO_UNSPEC, sizeof(struct nfgenmsg), &list);
	return ret < 0 ? ret : dump_answers(n, k, &list);
}

int nft_dump(struct net_dump *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	int ret = rtnl_open_protocol(n->ns->fd, NETLINK_NETFILTER, &nl);

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && ret == 0; i++) {
		ret = dump_kind(n, &nl, &kinds[i]);
		if (i == 0 && (ret == -EOPNOTSUPP || ret == -EINVAL || (ret == 0 && !n->msg->n_nft)))
			break; /* no nftables, or nothing in them */
	}
	close_later(take_fd(&nl.fd));
	if (ret == -EOPNOTSUPP || ret == -EPROTONOSUPPORT)
		return 0;
	return ret < 0 ? log_errno(ret, "network namespace %u: nftables", n->msg->ns_id) : 0;
}

static const struct nft_kind *kind_of(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].new == type)
			return &kinds[i];
	return NULL;
}

static int put_attr(struct strbuf *s, uint16_t type, const void *data, size_t len)
{
	const struct nlattr a = { .nla_type = type, .nla_len = MNL_ATTR_HDRLEN + len };
	static const char zero[4];
	int ret = strbuf_add(s, &a, sizeof(a));

	if (ret == 0)
		ret = strbuf_add(s, data, len);
	return ret == 0 ? strbuf_add(s, zero, MNL_ALIGN(len) - len) : ret;
}

/* The owner flag would make it ours. */
static int put_flags(struct strbuf *s, const struct nlattr *a)
{
	const uint32_t flags = htonl(ntohl(rtnl_u32(a, 0)) & NFT_TABLE_F_DORMANT);

	return put_attr(s, NFTA_TABLE_FLAGS, &flags, 4);
}

static int put_compat(struct strbuf *s, const struct nlattr *expressions)
{
	struct nft_compat c;
	struct {
		struct nlattr a;
		uint32_t v;
	} attrs[2];

	if (!expressions || !nft_compat_find(expressions, &c))
		return 0;
	attrs[0].a = (struct nlattr){ .nla_len = 8, .nla_type = NFTA_RULE_COMPAT_PROTO };
	attrs[0].v = htonl(c.proto);
	attrs[1].a = (struct nlattr){ .nla_len = 8, .nla_type = NFTA_RULE_COMPAT_FLAGS };
	attrs[1].v = htonl(c.flags);
	return put_attr(s, NFTA_RULE_COMPAT | NLA_F_NESTED, attrs, sizeof(attrs));
}

static int put_attrs(struct strbuf *s, const struct nft_kind *k, const struct nlattr *const *tb, uint32_t seq)
{
	const uint32_t id = htonl(seq);
	int ret = 0;

	for (unsigned int i = 1; i <= ATTR_MAX && ret == 0; i++) {
		const size_t at = s->len;

		if (!tb[i] || !(k->keep & BIT(i)))
			continue;
		if (k->new == NFT_MSG_NEWTABLE && i == NFTA_TABLE_FLAGS)
			ret = put_flags(s, tb[i]);
		else
			ret = put_attr(s, tb[i]->nla_type, mnl_attr_get_payload(tb[i]),
				       mnl_attr_get_payload_len(tb[i]));
		if (ret == 0 && k->new == NFT_MSG_NEWRULE && i == NFTA_RULE_EXPRESSIONS)
			nft_exthdr_mend((struct nlattr *)(s->buf + at));
	}
	if (ret == 0 && k->new == NFT_MSG_NEWSET) /* asked for; names are what counts */
		ret = put_attr(s, NFTA_SET_ID, &id, 4);
	if (ret == 0 && k->new == NFT_MSG_NEWRULE && !tb[NFTA_RULE_COMPAT])
		ret = put_compat(s, tb[NFTA_RULE_EXPRESSIONS]);
	return ret;
}

/* A message appended to @s with its length filled in afterwards. */
static int put_message(struct strbuf *s, const NftEntry *e, uint32_t seq)
{
	const struct nft_kind *k = kind_of(e->type);
	const struct nlattr *tb[ATTR_MAX + 1] = { 0 };
	const size_t start = s->len;
	struct nlmsghdr h = { .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE, .nlmsg_seq = seq };
	int ret = k ? attrs_of(e->payload.data, e->payload.len, tb) : -EBADMSG;

	if (ret < 0)
		return ret;
	h.nlmsg_type = NFT_TYPE(k->new);
	if (k->new == NFT_MSG_NEWRULE)
		h.nlmsg_flags |= NLM_F_APPEND;
	ret = strbuf_add(s, &h, sizeof(h));
	if (ret == 0)
		ret = strbuf_add(s, e->payload.data, sizeof(struct nfgenmsg));
	if (ret == 0)
		ret = put_attrs(s, k, tb, seq);
	if (ret < 0)
		return ret;
	h.nlmsg_len = s->len - start;
	memcpy(s->buf + start, &h, sizeof(h));
	return 0;
}

static int put_frame(struct strbuf *s, uint16_t type, uint32_t seq)
{
	const struct {
		struct nlmsghdr h;
		struct nfgenmsg g;
	} m = { .h = { .nlmsg_len = sizeof(m),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | (type == NFNL_MSG_BATCH_END ? NLM_F_ACK : 0),
		       .nlmsg_seq = seq },
		.g = { .res_id = htons(NFNL_SUBSYS_NFTABLES) } };

	return strbuf_add(s, &m, sizeof(m));
}

/* seq 0: begin; 1 ... n: messages; n + 1: end. */
static int build_batch(struct rnet *n, struct strbuf *s)
{
	int ret = put_frame(s, NFNL_MSG_BATCH_BEGIN, 0);

	for (size_t i = 0; i < n->msg->n_nft && ret == 0; i++) {
		ret = put_message(s, n->msg->nft[i], i + 1);
		if (ret == -EBADMSG)
			log_error("image: network namespace %u: nftables message %zu is damaged",
				  n->msg->ns_id, i);
	}
	return ret < 0 ? ret : put_frame(s, NFNL_MSG_BATCH_END, n->msg->n_nft + 1);
}

static int batch_error(struct rnet *n, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[ATTR_MAX + 1] = { 0 };
	const NftEntry *m;
	const char *table;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*e) || !e->error)
		return 0;
	if (h->nlmsg_seq == 0 || h->nlmsg_seq > n->msg->n_nft)
		return log_errno(e->error, "network namespace %u: nftables", n->msg->ns_id);
	m = n->msg->nft[h->nlmsg_seq - 1];
	attrs_of(m->payload.data, m->payload.len, tb);
	table = rtnl_str(tb[ATTR_TABLE]);
	return log_errno(e->error, "network namespace %u: nftables: a %s of table %s", n->msg->ns_id,
			 kind_of(m->type)->name, table ? table : "?");
}

/* All answers are there when the send returns; without any the batch was not even looked at. */
static int batch_answers(struct rnet *n, int sock)
{
	bool any = false;
	int ret = 0;

	for (;;) {
		char buf[8192] __attribute__((aligned(4)));
		int len = recv(sock, buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *h = (const void *)buf;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return ret ? ret : errno == EAGAIN ? (any ? 0 : -EPROTO) : -errno;
		for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
			any = true;
			if (h->nlmsg_type == NLMSG_ERROR && !ret)
				ret = batch_error(n, h);
		}
	}
}

static int batch_send(struct rnet *n, const struct strbuf *s)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const int size = s->len * 2;
	int ret = rtnl_open_protocol(n->ns_fd, NETLINK_NETFILTER, &nl);

	if (ret < 0)
		return ret;
	setsockopt(nl.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (sendto(nl.fd, s->buf, s->len, 0, (const void *)&kernel, sizeof(kernel)) < 0)
		ret = -errno;
	else
		ret = batch_answers(n, nl.fd);
	close_later(take_fd(&nl.fd));
	return ret;
}

int nft_restore(struct rnet *n)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };
	int ret;

	if (!n->msg->n_nft)
		return 0;
	ret = build_batch(n, &s);
	if (ret == 0)
		ret = batch_send(n, &s);
	return ret < 0 ? log_errno(ret, "network namespace %u: the nftables ruleset", n->msg->ns_id) : 0;
}
