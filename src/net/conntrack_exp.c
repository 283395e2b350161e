/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that a helper of connection tracking expects (FTP's data ...): sent back as the kernel lists
 * them (ctnetlink_exp_dump_expect() in net/netfilter/nf_conntrack_netlink.c), without their numbers. What
 * cannot be made again, as a kernel without the helper, is warned of: they live for minutes at most.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/conntrack.h"
#include "net/link.h"

#define EXP_TYPE(msg) (NFNL_SUBSYS_CTNETLINK_EXP << 8 | (msg))

int expectations_dump(struct net_dump *n, struct rtnl *nl)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret =
		rtnl_list_family(nl, EXP_TYPE(IPCTNL_MSG_EXP_GET), AF_UNSPEC, sizeof(struct nfgenmsg), &list);

	for (size_t i = 0; i < list.n && ret == 0; i++)
		ret = bytes_add(&n->msg->n_expectations, &n->msg->expectations, list.v[i]);
	return ret;
}

static int edit(const ProtobufCBinaryData *b, struct rtnl_req *q)
{
	const struct nlattr *tb[CTA_EXPECT_MAX + 1] = { 0 };
	const size_t at = sizeof(struct nfgenmsg);
	int ret = b->len < at ? -EBADMSG : rtnl_attrs_raw(b->data + at, b->len - at, tb, CTA_EXPECT_MAX);

	if (ret < 0)
		return ret;
	rtnl_begin(q, EXP_TYPE(IPCTNL_MSG_EXP_NEW), NLM_F_CREATE | NLM_F_EXCL, b->data, at);
	for (size_t i = 1; i <= CTA_EXPECT_MAX && ret == 0; i++)
		if (tb[i] && i != CTA_EXPECT_ID)
			ret = rtnl_put_raw(q, tb[i], tb[i]->nla_len);
	return ret;
}

int expectations_restore(struct rnet *n, struct rtnl *nl)
{
	size_t lost = 0;

	for (size_t i = 0; i < n->msg->n_expectations; i++) {
		struct rtnl_req q;
		int ret = edit(&n->msg->expectations[i], &q);

		if (ret < 0)
			return ret;
		ret = rtnl_do(nl, &q);
		lost += ret < 0 && ret != -EEXIST;
	}
	if (lost)
		log_warn("network namespace %u: %zu expected connections are expected no more", n->msg->ns_id,
			 lost);
	return 0;
}
