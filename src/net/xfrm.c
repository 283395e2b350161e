/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPsec (ip xfrm): refused. Its associations count packets in step with their peers, and a key exchange
 * daemon knows them by what the kernel called them.
 */
#include <linux/xfrm.h>

#include "base/log.h"
#include "net/link.h"

static int count(struct rtnl *rt, uint16_t type, const void *fam, size_t len, size_t *ret)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	struct rtnl_req q;
	int err;

	rtnl_begin(&q, type, 0, fam, len);
	err = rtnl_list(rt, &q, &list);
	*ret = list.n;
	return err;
}

int xfrm_survey(struct net_dump *n)
{
	const struct xfrm_usersa_id sa = { 0 };
	const struct xfrm_userpolicy_id policy = { 0 };
	_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
	size_t states = 0, policies = 0;
	int ret = rtnl_open_protocol(n->ns->fd, NETLINK_XFRM, &rt);

	if (ret == -EPROTONOSUPPORT)
		return 0; /* a kernel without */
	if (ret == 0)
		ret = count(&rt, XFRM_MSG_GETSA, &sa, sizeof(sa), &states);
	if (ret == 0)
		ret = count(&rt, XFRM_MSG_GETPOLICY, &policy, sizeof(policy), &policies);
	if (ret < 0)
		return log_errno(ret, "network namespace %u: IPsec", n->msg->ns_id);
	if (!states && !policies)
		return 0;
	return dump_obstacle(
		n->d,
		"network namespace %u has %zu IPsec states and %zu policies, which is not supported; "
		"ip xfrm state flush, ip xfrm policy flush",
		n->msg->ns_id, states, policies);
}
