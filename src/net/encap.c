/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes and nexthop objects whose packets go through a BPF program (ip route ... encap bpf, seg6local
 * End.BPF): refused, as only the program's name is shown.
 */
#include <arpa/inet.h>
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>
#include <linux/seg6_local.h>

#include "base/log.h"
#include "net/link.h"

static bool runs_bpf(const struct nlattr *type, const struct nlattr *encap)
{
	const uint16_t v = type && mnl_attr_get_payload_len(type) >= 2 ? mnl_attr_get_u16(type) : 0;
	const struct nlattr *tb[SEG6_LOCAL_MAX + 1] = { 0 };

	if (v != LWTUNNEL_ENCAP_SEG6_LOCAL || !encap)
		return v == LWTUNNEL_ENCAP_BPF;
	return rtnl_attrs_raw(mnl_attr_get_payload(encap), mnl_attr_get_payload_len(encap), tb,
			      SEG6_LOCAL_MAX) == 0 &&
	       tb[SEG6_LOCAL_BPF];
}

static bool hops_run_bpf(const struct nlattr *a)
{
	size_t len = a ? mnl_attr_get_payload_len(a) : 0;
	const char *p = a ? mnl_attr_get_payload(a) : NULL;

	while (len >= sizeof(struct rtnexthop)) {
		const struct nlattr *tb[RTA_MAX + 1] = { 0 };
		const struct rtnexthop *h = (const void *)p;
		const size_t step = RTNH_ALIGN(h->rtnh_len);

		if (h->rtnh_len < sizeof(*h) || h->rtnh_len > len ||
		    rtnl_attrs_raw(h + 1, h->rtnh_len - sizeof(*h), tb, RTA_MAX) < 0)
			return false;
		if (runs_bpf(tb[RTA_ENCAP_TYPE], tb[RTA_ENCAP]))
			return true;
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	return false;
}

static int check_route(struct net_dump *n, const struct nlmsghdr *h)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	char dst[INET6_ADDRSTRLEN] = "default";

	if (rtnl_attrs(h, sizeof(*rtm), tb, RTA_MAX) < 0 || (!tb[RTA_ENCAP_TYPE] && !tb[RTA_MULTIPATH]) ||
	    (!runs_bpf(tb[RTA_ENCAP_TYPE], tb[RTA_ENCAP]) && !hops_run_bpf(tb[RTA_MULTIPATH])))
		return 0;
	if (tb[RTA_DST])
		inet_ntop(rtm->rtm_family, mnl_attr_get_payload(tb[RTA_DST]), dst, sizeof(dst));
	return dump_obstacle(
		n->d,
		"network namespace %u: the route to %s/%u has a BPF program, which is not supported; "
		"ip route del",
		n->msg->ns_id, dst, rtm->rtm_dst_len);
}

static int check_nexthop(struct net_dump *n, const struct nlmsghdr *h)
{
	const struct nlattr *tb[NHA_MAX + 1] = { 0 };

	if (rtnl_attrs(h, sizeof(struct nhmsg), tb, NHA_MAX) < 0 ||
	    !runs_bpf(tb[NHA_ENCAP_TYPE], tb[NHA_ENCAP]))
		return 0;
	return dump_obstacle(
		n->d,
		"network namespace %u: the nexthop %u has a BPF program, which is not supported; "
		"ip nexthop del",
		n->msg->ns_id, rtnl_u32(tb[NHA_ID], 0));
}

int encap_survey(struct net_dump *n)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		size_t len;
		int (*check)(struct net_dump *n, const struct nlmsghdr *h);
	} lists[] = {
		{ RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), check_route },
		{ RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), check_route },
		{ RTM_GETNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg), check_nexthop },
	};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
		int ret = rtnl_list_family(&n->rt, lists[k].type, lists[k].family, lists[k].len, &list);

		if (ret == -EOPNOTSUPP)
			continue; /* the kernel has none of these */
		for (size_t i = 0; i < list.n && ret == 0; i++)
			ret = lists[k].check(n, list.v[i]);
		if (ret < 0)
			return log_errno(ret, "network namespace %u: routes", n->msg->ns_id);
	}
	return 0;
}
