/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One transaction of nf_tables under construction, about one table of the inet family: all of it or
 * nothing. For netlock/ alone. Running out of memory is remembered (->oom) and told by batch_send().
 */
#pragma once

#include "base/util.h"

struct nftnl_expr;
struct nftnl_rule;
struct nlmsghdr;

/* Before conntrack's defragmentation (-400) and raw tables (-300). */
#define NETLOCK_PRIORITY (-450)
#define BATCH_SIZE (32UL * 1024)
#define BATCH_NAME_MAX 64
/* The sets of a lock of connections. */
#define NETLOCK_SET4 "connections"
#define NETLOCK_SET6 "connections6"

/* A lock: its table lives as long as the socket that owns it. */
struct netlock_ns {
	int sock;
	bool gate;
};

struct batch {
	struct mnl_nlmsg_batch *mnl;
	char table[BATCH_NAME_MAX];
	uint32_t seq, n_acks;
	bool oom;
	char buf[BATCH_SIZE * 2];
};

struct batch *batch_new(const char *table); /* NULL without memory */
void batch_free(struct batch **b);
/* Through the NETLINK_NETFILTER socket @sock; what the kernel says to it. */
int batch_send(struct batch *b, int sock);

/* A fresh one in our own namespace, high up. */
int netfilter_socket(void);
/* 0 also when there is none. */
int table_delete(int sock, const char *name);

/* A message of the batch: fill the returned one and call batch_next(). @flags: NLM_F_* */
struct nlmsghdr *batch_msg(struct batch *b, uint16_t type, uint16_t flags);
void batch_next(struct batch *b);
size_t batch_room(const struct batch *b); /* bytes left */

void batch_table(struct batch *b, uint16_t type, uint16_t how, uint32_t flags);
void batch_chain(struct batch *b, const char *name, uint32_t hook, uint32_t policy);

/* A rule: begin it, append expressions, end it with NF_ACCEPT or NF_DROP, which frees it. */
struct nftnl_rule *rule_begin(struct batch *b, const char *chain);
void rule_end(struct batch *b, struct nftnl_rule *r, uint32_t verdict);
struct nftnl_expr *rule_expr(struct batch *b, struct nftnl_rule *r, const char *name);
/* The first register is loaded by: */
void rule_meta(struct batch *b, struct nftnl_rule *r, uint32_t key);
struct payload {
	uint32_t base, offset, len; /* enum nft_payload_bases; bytes */
};
/* ... into the registers of four bytes from number @reg on */
void rule_payload_to(struct batch *b, struct nftnl_rule *r, const struct payload *p, uint32_t reg);
void rule_transport_byte(struct batch *b, struct nftnl_rule *r, uint32_t offset);
/* ... and looked at by: */
void rule_cmp(struct batch *b, struct nftnl_rule *r, uint32_t op, const void *data, uint32_t len);
void rule_lookup(struct batch *b, struct nftnl_rule *r, const char *set);

/* Conditions made of them. */
void rule_l4proto(struct batch *b, struct nftnl_rule *r, uint8_t proto);
void rule_not_loopback(struct batch *b, struct nftnl_rule *r);
void rule_syn(struct batch *b, struct nftnl_rule *r); /* of TCP: SYN, and no ACK */
/* The whole rule: what is marked as ours passes. */
void batch_mark_passes(struct batch *b, const char *chain);
