/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a socket that is told of changes of nftables (`nft monitor`) hears of our own tables, the lock and the
 * gate: it is taken away unread. A dump would never find its queue empty otherwise.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "file/file.h"
#include "net/rtnl.h"
#include "netlock/netlock.h"
#include "sock/kinds.h"
#include "sock/netlink.h"
#include "sock/sk.h"
#include "sock/sock.h"

#define ROOM 65536
#define ATTRS_MAX 15

/* The first attribute names the table in all messages but the one that ends a transaction. */
static bool is_own(const struct nlmsghdr *h)
{
	const struct nlattr *tb[ATTRS_MAX + 1] = { 0 };
	const char *table;

	if (NFNL_SUBSYS_ID(h->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg) ||
	    rtnl_attrs_raw((const char *)mnl_nlmsg_get_payload(h) + sizeof(struct nfgenmsg),
			   mnl_nlmsg_get_payload_len(h) - sizeof(struct nfgenmsg), tb, ATTRS_MAX) < 0)
		return false;
	if (NFNL_MSG_TYPE(h->nlmsg_type) == NFT_MSG_NEWGEN)
		return tb[NFTA_GEN_PROC_PID] &&
		       ntohl(rtnl_u32(tb[NFTA_GEN_PROC_PID], 0)) == (uint32_t)getpid();
	table = rtnl_str(tb[NFTA_TABLE_NAME]);
	return table && netlock_is_ours(table);
}

static bool all_own(const struct nlmsghdr *h, int len)
{
	bool own = mnl_nlmsg_ok(h, len);

	for (; own && mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
		own = is_own(h);
	return own;
}

void netlink_forget_own(int fd)
{
	_cleanup_free_ char *buf = NULL;

	if (sk_int(fd, SOL_SOCKET, SO_PROTOCOL) != NETLINK_NETFILTER)
		return;
	buf = malloc(ROOM);
	while (buf) {
		ssize_t n = recv(fd, buf, ROOM, MSG_PEEK | MSG_DONTWAIT);

		if (n <= 0 || !all_own((const void *)buf, (int)n) || recv(fd, buf, ROOM, MSG_DONTWAIT) < 0)
			return;
	}
}

void sock_forget_own_news(struct restore *r)
{
	const FileEntry *msg;

	for (uint32_t id = 1; (msg = files_entry(r, id)); id++)
		if (msg->kind_case == FILE_ENTRY__KIND_NETLINK && !file_inherited(r, msg))
			netlink_forget_own(files_get(r, id));
}
