/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * phys: a device without a kind, moved in from the host (LXC's "phys" network), and any link that
 * --external netdev[NAME]:HOSTDEV says is to be a device of the host. It is moved in, renamed, and
 * gets its index (IFLA_NEW_IFINDEX). The kernel moves it back when the namespace goes.
 */
#include <linux/if.h>

#include "base/log.h"
#include "net/link.h"

static int phys_find(struct restore *r, const LinkEntry *m, uint32_t *ret_index)
{
	const char *dev = options_external(r->opt, "netdev", m->name);
	_cleanup_free_ struct nlmsghdr *h = NULL;
	int ret;

	if (!dev || !dev[0]) {
		log_error("link %s: a device of the host; give --external netdev[%s]:HOSTDEV", m->name,
			  m->name);
		return -EINVAL;
	}
	ret = rtnl_link(&r->net->host, dev, 0, &h);
	if (ret < 0)
		return log_errno(ret, "link %s: device %s of the host (--external netdev[%s])", m->name, dev,
				 m->name);
	*ret_index = ((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
	return 0;
}

static int phys_plan(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	uint32_t index;

	return phys_find(r, m, &index);
}

static int phys_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct ifinfomsg ifi = { .ifi_change = IFF_UP };
	struct rtnl_req q;
	uint32_t index;
	int ret = phys_find(r, m, &index);

	if (ret < 0)
		return ret;
	ifi.ifi_index = index;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_NET_NS_FD, &n->ns_fd, 4);
	rtnl_put_str(&q, IFLA_IFNAME, m->name);
	rtnl_put(&q, IFLA_NEW_IFINDEX, &m->index, 4);
	ret = link_do(&r->net->host, &q, m->name, "move the host's device in");
	if (ret < 0)
		return ret;
	return link_set_attrs(n, m);
}

const struct link_ops link_phys = { .kind = "phys", .plan = phys_plan, .make = phys_make };
