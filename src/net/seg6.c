/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment routing of IPv6 (ip sr): the address tunnels send from, and the keys packets are signed with.
 * Generic netlink tells both, with the attributes that set them (net/ipv6/seg6.c).
 */
#include <linux/genetlink.h>
#include <linux/seg6_genl.h>

#include "base/io.h"
#include "base/log.h"
#include "net/link.h"

/* The number of the family, 0 in *@ret if this kernel has none. */
static int find_family(struct rtnl *rt, uint16_t *ret)
{
	const struct genlmsghdr g = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	const struct nlattr *tb[CTRL_ATTR_FAMILY_ID + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct rtnl_req q;
	int err;

	*ret = 0;
	rtnl_begin(&q, GENL_ID_CTRL, 0, &g, sizeof(g));
	rtnl_put_str(&q, CTRL_ATTR_FAMILY_NAME, SEG6_GENL_NAME);
	err = rtnl_get(rt, &q, &h);
	if (err == -ENOENT)
		return 0;
	if (err == 0)
		err = rtnl_attrs(h, sizeof(g), tb, CTRL_ATTR_FAMILY_ID);
	if (err == 0 && tb[CTRL_ATTR_FAMILY_ID])
		*ret = mnl_attr_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return err;
}

static int seg6_open(int ns_fd, struct rtnl *ret_rt, uint16_t *ret)
{
	int err = rtnl_open_protocol(ns_fd, NETLINK_GENERIC, ret_rt);

	return err < 0 ? err : find_family(ret_rt, ret);
}

static int dump_source(struct net_dump *n, struct rtnl *rt, uint16_t family)
{
	static const uint8_t none[16];
	const struct genlmsghdr g = { .cmd = SEG6_CMD_GET_TUNSRC, .version = 1 };
	const struct nlattr *tb[SEG6_ATTR_MAX + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, family, 0, &g, sizeof(g));
	ret = rtnl_get(rt, &q, &h);
	if (ret == 0)
		ret = rtnl_attrs(h, sizeof(g), tb, SEG6_ATTR_MAX);
	if (ret < 0 || !tb[SEG6_ATTR_DST] || mnl_attr_get_payload_len(tb[SEG6_ATTR_DST]) != 16 ||
	    memcmp(mnl_attr_get_payload(tb[SEG6_ATTR_DST]), none, 16) == 0)
		return ret;
	return bytes_add(&n->msg->n_seg6, &n->msg->seg6, h);
}

int seg6_dump(struct net_dump *n)
{
	const struct genlmsghdr g = { .cmd = SEG6_CMD_DUMPHMAC, .version = 1 };
	_cleanup_rtnl_msgs_ struct rtnl_msgs keys = { 0 };
	_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
	struct rtnl_req q;
	uint16_t family = 0;
	int ret = seg6_open(n->ns->fd, &rt, &family);

	if (ret == 0 && family)
		ret = dump_source(n, &rt, family);
	rtnl_begin(&q, family, 0, &g, sizeof(g));
	if (ret == 0 && family)
		ret = rtnl_list(&rt, &q, &keys);
	if (ret == -EOPNOTSUPP)
		ret = 0; /* a kernel without signatures */
	for (size_t i = 0; i < keys.n && ret == 0; i++)
		ret = bytes_add(&n->msg->n_seg6, &n->msg->seg6, keys.v[i]);
	close_later(take_fd(&rt.fd));
	return ret < 0 ? log_errno(ret, "network namespace %u: segment routing", n->msg->ns_id) : 0;
}

static int send_one(struct rtnl *rt, uint16_t family, const ProtobufCBinaryData *b)
{
	struct genlmsghdr g;
	struct rtnl_req q;
	int ret;

	if (b->len < sizeof(g))
		return -EBADMSG;
	memcpy(&g, b->data, sizeof(g));
	if (g.cmd != SEG6_CMD_GET_TUNSRC && g.cmd != SEG6_CMD_DUMPHMAC)
		return -EBADMSG;
	g.cmd = g.cmd == SEG6_CMD_GET_TUNSRC ? SEG6_CMD_SET_TUNSRC : SEG6_CMD_SETHMAC;
	rtnl_begin(&q, family, 0, &g, sizeof(g));
	ret = rtnl_put_raw(&q, b->data + sizeof(g), b->len - sizeof(g));
	return ret < 0 ? ret : rtnl_do(rt, &q);
}

int seg6_restore(struct rnet *n)
{
	_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
	uint16_t family = 0;
	int ret = n->msg->n_seg6 ? seg6_open(n->ns_fd, &rt, &family) : 0;

	if (ret == 0 && n->msg->n_seg6 && !family)
		ret = -EOPNOTSUPP;
	for (size_t i = 0; i < n->msg->n_seg6 && ret == 0; i++)
		ret = send_one(&rt, family, &n->msg->seg6[i]);
	close_later(take_fd(&rt.fd));
	return ret < 0 ? log_errno(ret, "network namespace %u: segment routing (ip sr)", n->msg->ns_id) : 0;
}
