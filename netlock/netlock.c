/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h> /* before the kernel's: the two know of each other in this order only */
#include <netinet/icmp6.h>
#include <netinet/tcp.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/netns.h"
#include "netlock/netlock.h"

/* Before conntrack's defragmentation (-400) and raw tables (-300). */
#define LOCK_PRIORITY (-450)
#define BATCH_SIZE (32 * 1024)

struct netlock_ns {
	int sock;
	bool gate;
};

struct batch {
	struct mnl_nlmsg_batch *mnl;
	char table[NETLOCK_NAME_MAX];
	uint32_t seq, n_acks;
	bool oom;
	char buf[BATCH_SIZE * 2];
};

static const struct {
	const char *name;
	uint32_t hook;
} chains[] = {
	{ "in", NF_INET_PRE_ROUTING },
	{ "out", NF_INET_LOCAL_OUT },
};

/* ICMPv6 types that pass, as ranges. */
static const uint8_t icmp6_pass[][2] = {
	{ MLD_LISTENER_QUERY, MLD_LISTENER_REDUCTION },
	{ ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT },
	{ 143, 143 }, /* MLDv2 report, RFC 3810 */
};

const char *netlock_table_name(char buf[NETLOCK_NAME_MAX])
{
	snprintf(buf, NETLOCK_NAME_MAX, "ctcr-%d", getpid());
	return buf;
}

static struct batch *batch_new(bool gate)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->mnl = mnl_nlmsg_batch_start(b->buf, BATCH_SIZE);
	if (!b->mnl) {
		free(b);
		return NULL;
	}
	netlock_table_name(b->table);
	if (gate)
		memcpy(b->table + strlen(b->table), NETLOCK_GATE, sizeof(NETLOCK_GATE));
	nftnl_batch_begin(mnl_nlmsg_batch_current(b->mnl), b->seq++);
	mnl_nlmsg_batch_next(b->mnl);
	return b;
}

static void batch_free(struct batch **b)
{
	if (!*b)
		return;
	mnl_nlmsg_batch_stop((*b)->mnl);
	free(*b);
}

static struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags)
{
	b->n_acks++;
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->mnl), type, NFPROTO_INET, flags | NLM_F_ACK,
				     b->seq++);
}

/* All answers are queued when the send returns: each message its acknowledgement, or the errors. */
static int batch_answers(struct batch *b, int sock)
{
	uint32_t acks = 0;
	int ret = 0;

	for (;;) {
		char buf[8192] __attribute__((aligned(4)));
		int len = recv(sock, buf, sizeof(buf), MSG_DONTWAIT);
		struct nlmsghdr *h = (void *)buf;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0)
			return -errno;
		for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(h) < sizeof(*e))
				continue;
			acks++;
			if (e->error && !ret)
				ret = e->error;
		}
	}
	return ret ? ret : acks == b->n_acks ? 0 : -EPROTO;
}

static int batch_send(struct batch *b, int sock)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (b->oom)
		return -ENOMEM;
	nftnl_batch_end(mnl_nlmsg_batch_current(b->mnl), b->seq++);
	mnl_nlmsg_batch_next(b->mnl);
	if (sendto(sock, mnl_nlmsg_batch_head(b->mnl), mnl_nlmsg_batch_size(b->mnl), 0,
		   (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return batch_answers(b, sock);
}

static void batch_table(struct batch *b, uint16_t type, uint32_t flags)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		b->oom = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	if (flags)
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, flags);
	nftnl_table_nlmsg_build_payload(
		batch_msg(b, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE | NLM_F_EXCL : 0), t);
	mnl_nlmsg_batch_next(b->mnl);
	nftnl_table_free(t);
}

static void batch_chain(struct batch *b, const char *name, uint32_t hook, uint32_t policy)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c) {
		b->oom = true;
		return;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, b->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, LOCK_PRIORITY);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, policy);
	nftnl_chain_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), c);
	mnl_nlmsg_batch_next(b->mnl);
	nftnl_chain_free(c);
}

/* An expression appended to @r, NULL (and b->oom) without memory. */
static struct nftnl_expr *rule_expr(struct batch *b, struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

	if (!e)
		b->oom = true;
	else
		nftnl_rule_add_expr(r, e);
	return e;
}

static void rule_meta(struct batch *b, struct nftnl_rule *r, uint32_t key)
{
	struct nftnl_expr *e = rule_expr(b, r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void rule_cmp(struct batch *b, struct nftnl_rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = rule_expr(b, r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

static void rule_l4proto(struct batch *b, struct nftnl_rule *r, uint8_t proto)
{
	rule_meta(b, r, NFT_META_L4PROTO);
	rule_cmp(b, r, NFT_CMP_EQ, &proto, sizeof(proto));
}

static struct nftnl_rule *rule_begin(struct batch *b, const char *chain)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r) {
		b->oom = true;
		return NULL;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, b->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, NFPROTO_INET);
	return r;
}

/* "... accept" or "... drop", into the batch; frees @r. */
static void rule_end(struct batch *b, struct nftnl_rule *r, uint32_t verdict)
{
	struct nftnl_expr *e = rule_expr(b, r, "immediate");

	if (e && !b->oom) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
		nftnl_rule_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), r);
		mnl_nlmsg_batch_next(b->mnl);
	}
	if (r)
		nftnl_rule_free(r);
}

/* A byte of the transport header, by its offset. */
static void rule_transport_byte(struct batch *b, struct nftnl_rule *r, uint32_t offset)
{
	struct nftnl_expr *e = rule_expr(b, r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, 1);
}

static void batch_chain_rules(struct batch *b, const char *chain)
{
	const uint32_t mark = NETLOCK_MARK;
	struct nftnl_rule *r = rule_begin(b, chain);

	rule_meta(b, r, NFT_META_MARK);
	rule_cmp(b, r, NFT_CMP_EQ, &mark, sizeof(mark));
	rule_end(b, r, NF_ACCEPT);

	r = rule_begin(b, chain);
	rule_l4proto(b, r, IPPROTO_IGMP);
	rule_end(b, r, NF_ACCEPT);

	for (size_t i = 0; i < ARRAY_SIZE(icmp6_pass); i++) {
		r = rule_begin(b, chain);
		rule_l4proto(b, r, IPPROTO_ICMPV6);
		rule_transport_byte(b, r, 0);
		rule_cmp(b, r, NFT_CMP_GTE, &icmp6_pass[i][0], 1);
		rule_cmp(b, r, NFT_CMP_LTE, &icmp6_pass[i][1], 1);
		rule_end(b, r, NF_ACCEPT);
	}
}

static int lock_table(int sock)
{
	_cleanup_(batch_free) struct batch *b = batch_new(false);

	if (!b)
		return -ENOMEM;
	batch_table(b, NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		batch_chain(b, chains[i].name, chains[i].hook, NF_DROP);
		batch_chain_rules(b, chains[i].name);
	}
	return batch_send(b, sock);
}

/* TCP with SYN and without ACK is dropped. */
static void batch_gate_rule(struct batch *b)
{
	const uint32_t loopback = 1; /* the index lo has in every namespace */
	const uint8_t mask = TH_SYN | TH_ACK, none = 0, syn = TH_SYN;
	struct nftnl_rule *r = rule_begin(b, chains[0].name);
	struct nftnl_expr *e;

	/* Clients inside would be held in SYN-SENT, which is no state to dump either. */
	rule_meta(b, r, NFT_META_IIF);
	rule_cmp(b, r, NFT_CMP_NEQ, &loopback, sizeof(loopback));
	rule_l4proto(b, r, IPPROTO_TCP);
	rule_transport_byte(b, r, offsetof(struct tcphdr, th_flags));
	e = rule_expr(b, r, "bitwise");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, 1);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, 1);
	}
	rule_cmp(b, r, NFT_CMP_EQ, &syn, 1);
	rule_end(b, r, NF_DROP);
}

static int gate_table(int sock)
{
	_cleanup_(batch_free) struct batch *b = batch_new(true);

	if (!b)
		return -ENOMEM;
	batch_table(b, NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER);
	batch_chain(b, chains[0].name, chains[0].hook, NF_ACCEPT);
	batch_gate_rule(b);
	return batch_send(b, sock);
}

static int open_table(int sock, bool gate, struct netlock_ns **ret)
{
	_cleanup_close_ int fd = sock;
	_cleanup_free_ struct netlock_ns *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	err = gate ? gate_table(fd) : lock_table(fd);
	if (err < 0)
		return err;
	l->sock = take_fd(&fd);
	l->gate = gate;
	*ret = TAKE_PTR(l);
	return 0;
}

int netlock_open(int sock, struct netlock_ns **ret)
{
	return open_table(sock, false, ret);
}

int netlock_open_ns(int netns_fd, struct netlock_ns **ret)
{
	int sock = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

	return sock < 0 ? sock : netlock_open(sock, ret);
}

int netlock_gate_ns(int netns_fd, struct netlock_ns **ret)
{
	int sock = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);

	return sock < 0 ? sock : open_table(sock, true, ret);
}

/* Deleting the table is what unlocks, at once; should it fail, the close does it and is waited for. */
int netlock_close(struct netlock_ns *l)
{
	_cleanup_(batch_free) struct batch *b = NULL;
	int ret = -ENOMEM;

	if (!l)
		return 0;
	b = batch_new(l->gate);
	if (b) {
		batch_table(b, NFT_MSG_DELTABLE, 0);
		ret = batch_send(b, l->sock);
	}
	if (ret < 0)
		close(l->sock);
	else
		close_later(l->sock); /* the kernel waits for RCU when a netfilter socket goes, some 13 ms */
	free(l);
	return ret;
}
