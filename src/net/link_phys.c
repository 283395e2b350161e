/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * phys: a device without a kind, moved in from the host (LXC's "phys" network), and any link that
 * --external netdev[NAME]:HOSTDEV says is to be a device of the host. It is moved in, renamed, and
 * gets its index (IFLA_NEW_IFINDEX).
 * A namespace that ends takes virtual devices with it, and gives others back under names of its own making.
 * So a restore that fails gives them back as they were; a dump that kills gives back those of which it was
 * told by the same option.
 */
#include <linux/if.h>

#include "base/log.h"
#include "net/link.h"

static int phys_find(struct restore *r, const LinkEntry *m, struct nlmsghdr **ret)
{
	const char *dev = options_external(r->opt, "netdev", m->name);
	int err;

	if (!dev || !dev[0]) {
		log_error("link %s: a device of the host; give --external netdev[%s]:HOSTDEV", m->name,
			  m->name);
		return -EINVAL;
	}
	err = rtnl_link(&r->net->host, dev, 0, ret);
	if (err < 0)
		return log_errno(err, "link %s: device %s of the host (--external netdev[%s])", m->name, dev,
				 m->name);
	return 0;
}

static int phys_plan(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	_cleanup_free_ struct nlmsghdr *h = NULL;

	return phys_find(r, m, &h);
}

/* What it was, for phys_undo(). */
static int remember(struct net_store *s, const struct rnet *n, const LinkEntry *m, const struct link_info *l)
{
	struct moved_in *v;

	if (!GROW(s->in, s->n_in))
		return log_oom();
	v = &s->in[s->n_in++];
	*v = (struct moved_in){ .ns_id = n->msg->ns_id,
				.index = m->index,
				.host_index = l->ifi->ifi_index,
				.mtu = rtnl_u32(l->tb[IFLA_MTU], 0),
				.up = l->ifi->ifi_flags & IFF_UP };
	strncpy(v->name, l->name, IFNAMSIZ - 1);
	if (l->tb[IFLA_ADDRESS]) {
		v->address_len = MIN(mnl_attr_get_payload_len(l->tb[IFLA_ADDRESS]), sizeof(v->address));
		memcpy(v->address, mnl_attr_get_payload(l->tb[IFLA_ADDRESS]), v->address_len);
	}
	return 0;
}

static int give_back(struct net_store *s, struct rtnl *rt, const struct moved_in *v, bool index)
{
	const struct ifinfomsg ifi = { .ifi_index = v->index,
				       .ifi_flags = v->up ? IFF_UP : 0,
				       .ifi_change = IFF_UP };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_NET_NS_FD, &s->host_fd, 4);
	rtnl_put_str(&q, IFLA_IFNAME, v->name);
	if (index)
		rtnl_put(&q, IFLA_NEW_IFINDEX, &v->host_index, 4);
	if (v->mtu)
		rtnl_put(&q, IFLA_MTU, &v->mtu, 4);
	if (v->address_len)
		rtnl_put(&q, IFLA_ADDRESS, v->address, v->address_len);
	return rtnl_do(rt, &q);
}

void phys_undo(struct restore *r)
{
	struct net_store *s = r->net;

	for (size_t i = 0; i < s->n_in; i++) {
		struct rnet *n = rnet_find(r, s->in[i].ns_id);
		int ret = n && n->rt.fd >= 0 ? give_back(s, &n->rt, &s->in[i], true) : -ENOENT;

		if (ret == -EBUSY || ret == -EEXIST) /* the index belongs to another one by now */
			ret = give_back(s, &n->rt, &s->in[i], false);
		if (ret < 0 && ret != -ENODEV)
			log_errno(ret, "device %s: give it back to the host", s->in[i].name);
	}
	s->n_in = 0;
}

static int phys_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct ifinfomsg ifi = { .ifi_change = IFF_UP };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct link_info l;
	struct rtnl_req q;
	int ret = phys_find(r, m, &h);

	if (ret == 0)
		ret = link_parse(h, &l);
	if (ret == 0)
		ret = remember(r->net, n, m, &l);
	if (ret != 0)
		return ret;
	ifi.ifi_index = l.ifi->ifi_index;
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
