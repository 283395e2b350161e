/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h> /* before the kernel's: the two know of each other in this order only */
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
#include "netlock/batch.h"
#include "netlock/netlock.h"

struct batch *batch_new(const char *table)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->mnl = mnl_nlmsg_batch_start(b->buf, BATCH_SIZE);
	if (!b->mnl) {
		free(b);
		return NULL;
	}
	snprintf(b->table, sizeof(b->table), "%s", table);
	nftnl_batch_begin(mnl_nlmsg_batch_current(b->mnl), b->seq++);
	mnl_nlmsg_batch_next(b->mnl);
	return b;
}

void batch_free(struct batch **b)
{
	if (!*b)
		return;
	mnl_nlmsg_batch_stop((*b)->mnl);
	free(*b);
}

struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags)
{
	b->n_acks++;
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(b->mnl), type, NFPROTO_INET, flags | NLM_F_ACK,
				     b->seq++);
}

void batch_next(struct batch *b)
{
	mnl_nlmsg_batch_next(b->mnl);
}

size_t batch_room(const struct batch *b)
{
	size_t used = mnl_nlmsg_batch_size(b->mnl);

	return used < BATCH_SIZE ? BATCH_SIZE - used : 0;
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

int batch_send(struct batch *b, int sock)
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

void batch_table(struct batch *b, uint16_t type, uint16_t how, uint32_t flags)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		b->oom = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, b->table);
	if (flags)
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, flags);
	nftnl_table_nlmsg_build_payload(batch_msg(b, type, how), t);
	mnl_nlmsg_batch_next(b->mnl);
	nftnl_table_free(t);
}

void batch_chain(struct batch *b, const char *name, uint32_t hook, uint32_t policy)
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
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, NETLOCK_PRIORITY);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, policy);
	nftnl_chain_nlmsg_build_payload(batch_msg(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), c);
	mnl_nlmsg_batch_next(b->mnl);
	nftnl_chain_free(c);
}

/* An expression appended to @r, NULL (and b->oom) without memory. */
struct nftnl_expr *rule_expr(struct batch *b, struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

	if (!e)
		b->oom = true;
	else
		nftnl_rule_add_expr(r, e);
	return e;
}

void rule_meta(struct batch *b, struct nftnl_rule *r, uint32_t key)
{
	struct nftnl_expr *e = rule_expr(b, r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

void rule_cmp(struct batch *b, struct nftnl_rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = rule_expr(b, r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

struct nftnl_rule *rule_begin(struct batch *b, const char *chain)
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
void rule_end(struct batch *b, struct nftnl_rule *r, uint32_t verdict)
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

void rule_payload_to(struct batch *b, struct nftnl_rule *r, const struct payload *p, uint32_t reg)
{
	struct nftnl_expr *e = rule_expr(b, r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG32_00 + reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, p->base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, p->offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, p->len);
}

void rule_transport_byte(struct batch *b, struct nftnl_rule *r, uint32_t offset)
{
	const struct payload p = { NFT_PAYLOAD_TRANSPORT_HEADER, offset, 1 };

	rule_payload_to(b, r, &p, 0);
}

void rule_lookup(struct batch *b, struct nftnl_rule *r, const char *set)
{
	struct nftnl_expr *e = rule_expr(b, r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
}

void rule_l4proto(struct batch *b, struct nftnl_rule *r, uint8_t proto)
{
	rule_meta(b, r, NFT_META_L4PROTO);
	rule_cmp(b, r, NFT_CMP_EQ, &proto, sizeof(proto));
}

void rule_not_loopback(struct batch *b, struct nftnl_rule *r)
{
	const uint32_t loopback = 1; /* the index lo has in every namespace */

	rule_meta(b, r, NFT_META_IIF);
	rule_cmp(b, r, NFT_CMP_NEQ, &loopback, sizeof(loopback));
}

void rule_syn(struct batch *b, struct nftnl_rule *r)
{
	const uint8_t mask = TH_SYN | TH_ACK, none = 0, syn = TH_SYN;
	struct nftnl_expr *e;

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
}

void batch_mark_passes(struct batch *b, const char *chain)
{
	const uint32_t mark = NETLOCK_MARK;
	struct nftnl_rule *r = rule_begin(b, chain);

	rule_meta(b, r, NFT_META_MARK);
	rule_cmp(b, r, NFT_CMP_EQ, &mark, sizeof(mark));
	rule_end(b, r, NF_ACCEPT);
}

int table_delete(int sock, const char *name)
{
	_cleanup_(batch_free) struct batch *b = batch_new(name);
	int err;

	if (!b)
		return -ENOMEM;
	batch_table(b, NFT_MSG_DELTABLE, 0, 0);
	err = batch_send(b, sock);
	return err == -ENOENT ? 0 : err;
}

int netfilter_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd < 0 ? -errno : fd_high(fd);
}
