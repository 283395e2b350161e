/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic control: what tc.c (queueing disciplines, classes) and tc_u32.c (filters) share. */
#pragma once

#include <linux/pkt_sched.h>

#include "net/link.h"

/* What a namespace has, as the kernel dumped it. */
struct tc_set {
	struct rtnl_msgs qdiscs, classes, filters;
};

#define TC_BLOCK ((int)TCM_IFINDEX_MAGIC_BLOCK) /* tcm_ifindex of what several links share */
#define TC_TOP TCA_EXT_WARN_MSG

/* A message taken apart; points into it. */
struct tc_msg {
	const struct tcmsg *tc;
	const struct nlattr *tb[TC_TOP + 1];
	const char *kind; /* "" if it has none */
};

int tc_parse(const void *data, size_t len, struct tc_msg *ret);
int tc_parse_msg(const struct nlmsghdr *h, struct tc_msg *ret);
/* Attribute @type of @m, sent back if it is there. */
int tc_put(struct rtnl_req *q, const struct tc_msg *m, uint16_t type);
/* Append to the image. */
int tc_add(NetEntry *net, const struct nlmsghdr *h);
/* Send; a failure is logged. */
int tc_do(struct rnet *n, struct rtnl_req *q, const char *what);

/* Why a filter cannot be dumped ("..., which ..."), NULL if it can. */
const char *filter_refuse(const struct tc_msg *m);
/* The filters of @s in the order in which they are to be made. */
int filters_dump(struct net_dump *n, const struct tc_set *s);
/* Entry @i of the image: a filter. */
int filter_restore(struct rnet *n, size_t i);
/* The editing of one: attributes only the kernel knows are left out. */
int filter_edit(const void *data, size_t len, struct rtnl_req *q);
