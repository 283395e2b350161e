/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links: what all kinds have in common.
 *
 * rtnetlink shows every link with its kind and the kind's own attributes (IFLA_INFO_DATA), which for
 * most kinds can be sent back as they are. Each link is made with its index, down and without a
 * master, after what it lies on; masters, ports, names and flags follow in a second pass.
 * Not restored: counters. Refused: kinds not in the table, XDP
 * programs.
 */
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/veth.h>

#include "base/log.h"
#include "net/link.h"
#include "net/outside.h"

static const char *refuse_vxlan(const struct link_info *l)
{
	return l->tb[IFLA_LINK_NETNSID]
		       ? "was made in another network namespace, which is not supported; remove it"
		       : NULL;
}

/* Kinds without a file of their own are made again from the attributes the kernel showed. */
static const struct link_ops link_lo = { .kind = "lo" };
/* Shown as a number, taken as a flag; and one whose presence counts, not its value. */
static int put_vxlan(struct rtnl_req *q, const struct nlattr *a)
{
	if (mnl_attr_get_type(a) == IFLA_VXLAN_REMCSUM_RX && !rtnl_u8(a, 0))
		return 0;
	if (mnl_attr_get_type(a) != IFLA_VXLAN_TTL_INHERIT)
		return rtnl_put_raw(q, a, a->nla_len);
	return rtnl_u8(a, 0) ? rtnl_put(q, IFLA_VXLAN_TTL_INHERIT, NULL, 0) : 0;
}

/* The addresses of source mode are sent as a command. */
static int put_macvlan(struct rtnl_req *q, const struct nlattr *a)
{
	const uint32_t mode = MACVLAN_MACADDR_SET;
	int ret = mnl_attr_get_type(a) == IFLA_MACVLAN_MACADDR_DATA
			  ? rtnl_put(q, IFLA_MACVLAN_MACADDR_MODE, &mode, 4)
			  : 0;

	return ret < 0 ? ret : rtnl_put_raw(q, a, a->nla_len);
}

#define BIT(n) (1ull << (n))
static const struct link_ops link_dummy = { .kind = "dummy" };
static const struct link_ops link_ifb = { .kind = "ifb" };
static const struct link_ops link_macvlan = {
	.kind = "macvlan",
	.put = put_macvlan,
	.computed = BIT(IFLA_MACVLAN_MACADDR_COUNT) | BIT(IFLA_MACVLAN_BC_QUEUE_LEN_USED),
};
static const struct link_ops link_macvtap = {
	.kind = "macvtap",
	.put = put_macvlan,
	.computed = BIT(IFLA_MACVLAN_MACADDR_COUNT) | BIT(IFLA_MACVLAN_BC_QUEUE_LEN_USED),
};
static const struct link_ops link_ipvlan = { .kind = "ipvlan" };
static const struct link_ops link_vlan = { .kind = "vlan" };
static const struct link_ops link_vxlan = { .kind = "vxlan", .refuse = refuse_vxlan, .put = put_vxlan };
static const struct link_ops link_vrf = { .kind = "vrf" };

static const struct link_ops *const kinds[] = {
	&link_lo,   &link_veth,	 &link_bridge, &link_dummy, &link_ifb, &link_macvlan, &link_ipvlan,
	&link_vlan, &link_vxlan, &link_vrf,    &link_phys,  &link_tun, &link_macvtap,
};

const struct link_ops *link_find(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(kinds[i]->kind, kind))
			return kinds[i];
	return NULL;
}

int link_parse(const struct nlmsghdr *h, struct link_info *ret)
{
	struct link_info l = { 0 };
	const struct nlattr *info;
	int err = rtnl_attrs(h, sizeof(struct ifinfomsg), l.tb, LINK_ATTR_MAX);

	if (err < 0)
		return err;
	l.ifi = mnl_nlmsg_get_payload(h);
	l.name = rtnl_str(l.tb[IFLA_IFNAME]);
	if (!l.name)
		return -EBADMSG;
	info = l.tb[IFLA_LINKINFO];
	if (info)
		err = rtnl_attrs_raw(mnl_attr_get_payload(info), mnl_attr_get_payload_len(info), l.info,
				     IFLA_INFO_MAX);
	if (err < 0)
		return err;
	l.kind = rtnl_str(l.info[IFLA_INFO_KIND]);
	if (!l.kind)
		l.kind = l.ifi->ifi_type == ARPHRD_LOOPBACK ? "lo" : "phys";
	*ret = l;
	return 0;
}

bool link_is_fallback(const struct link_info *l)
{
	static const char *const names[] = { "tunl0",	 "gre0", "gretap0", "erspan0", "ip_vti0",
					     "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "teql0" };

	if (l->ifi->ifi_flags & IFF_UP)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (streq(l->name, names[i]))
			return true;
	return false;
}

int bytes_copy(ProtobufCBinaryData *ret, const void *data, size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	if (!p)
		return -ENOMEM;
	if (len)
		memcpy(p, data, len);
	*ret = (ProtobufCBinaryData){ .len = len, .data = p };
	return 0;
}

int bytes_add(size_t *n, ProtobufCBinaryData **arr, const struct nlmsghdr *h)
{
	if (!GROW(*arr, *n) ||
	    bytes_copy(&(*arr)[*n], mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h)) < 0)
		return log_oom();
	++*n;
	return 0;
}

static int dump_bytes(const struct nlattr *a, protobuf_c_boolean *has, ProtobufCBinaryData *ret)
{
	if (!a || mnl_attr_get_payload_len(a) == 0)
		return 0;
	*has = true;
	return bytes_copy(ret, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
}

static int dump_altnames(const struct link_info *l, LinkEntry *m)
{
	const struct nlattr *a;

	if (!l->tb[IFLA_PROP_LIST])
		return 0;
	mnl_attr_for_each_nested(a, l->tb[IFLA_PROP_LIST])
	{
		const char *name = rtnl_str(a);

		if (mnl_attr_get_type(a) != IFLA_ALT_IFNAME || !name)
			continue;
		if (!GROW(m->altnames, m->n_altnames))
			return -ENOMEM;
		m->altnames[m->n_altnames] = strdup(name);
		if (!m->altnames[m->n_altnames++])
			return -ENOMEM;
	}
	return 0;
}

/* IFLA_AF_SPEC { AF_INET6 { ... } } */
static int dump_inet6(const struct link_info *l, LinkEntry *m)
{
	const struct nlattr *af[AF_INET6 + 1] = { 0 }, *tb[IFLA_INET6_MAX + 1] = { 0 };
	const struct nlattr *spec = l->tb[IFLA_AF_SPEC];
	static const uint8_t none[16];

	if (!spec ||
	    rtnl_attrs_raw(mnl_attr_get_payload(spec), mnl_attr_get_payload_len(spec), af, AF_INET6) < 0 ||
	    !af[AF_INET6] ||
	    rtnl_attrs_raw(mnl_attr_get_payload(af[AF_INET6]), mnl_attr_get_payload_len(af[AF_INET6]), tb,
			   IFLA_INET6_MAX) < 0)
		return 0;
	if (tb[IFLA_INET6_ADDR_GEN_MODE]) {
		m->has_addr_gen_mode = true;
		m->addr_gen_mode = rtnl_u8(tb[IFLA_INET6_ADDR_GEN_MODE], 0);
	}
	if (tb[IFLA_INET6_TOKEN] && mnl_attr_get_payload_len(tb[IFLA_INET6_TOKEN]) == 16 &&
	    memcmp(mnl_attr_get_payload(tb[IFLA_INET6_TOKEN]), none, 16) != 0)
		return dump_bytes(tb[IFLA_INET6_TOKEN], &m->has_token, &m->token);
	return 0;
}

static int dump_text(const struct nlattr *a, char **ret)
{
	const char *s = rtnl_str(a);

	if (!s)
		return 0;
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

static int dump_common(const struct link_info *l, LinkEntry *m)
{
	m->index = l->ifi->ifi_index;
	m->flags = l->ifi->ifi_flags;
	m->mtu = rtnl_u32(l->tb[IFLA_MTU], 0);
	m->has_txqlen = l->tb[IFLA_TXQLEN] != NULL;
	m->txqlen = rtnl_u32(l->tb[IFLA_TXQLEN], 0);
	m->master = rtnl_u32(l->tb[IFLA_MASTER], 0);
	m->has_master = m->master;
	m->num_tx_queues = rtnl_u32(l->tb[IFLA_NUM_TX_QUEUES], 0);
	m->has_num_tx_queues = m->num_tx_queues;
	m->num_rx_queues = rtnl_u32(l->tb[IFLA_NUM_RX_QUEUES], 0);
	m->has_num_rx_queues = m->num_rx_queues;
	m->group = rtnl_u32(l->tb[IFLA_GROUP], 0);
	m->has_group = m->group;
	m->name = strdup(l->name);
	m->kind = strdup(l->kind);
	if (!m->name || !m->kind || dump_text(l->tb[IFLA_IFALIAS], &m->alias) < 0 ||
	    dump_text(l->info[IFLA_INFO_SLAVE_KIND], &m->slave_kind) < 0 ||
	    dump_bytes(l->tb[IFLA_ADDRESS], &m->has_address, &m->address) < 0 ||
	    dump_bytes(l->info[IFLA_INFO_DATA], &m->has_info_data, &m->info_data) < 0 ||
	    dump_bytes(l->info[IFLA_INFO_SLAVE_DATA], &m->has_slave_data, &m->slave_data) < 0 ||
	    dump_altnames(l, m) < 0 || dump_inet6(l, m) < 0 || attrs_dump(l, m) < 0)
		return log_oom();
	return 0;
}

int link_read(const struct link_info *l, LinkEntry **ret)
{
	LinkEntry *m = malloc(sizeof(*m));
	int err;

	if (!m)
		return log_oom();
	link_entry__init(m);
	err = dump_common(l, m);
	if (err < 0) {
		link_entry__free_unpacked(m, NULL);
		return err;
	}
	*ret = m;
	return 0;
}

/* A link in the namespace that that of @rt calls @nsid; -1: in the same. */
static int get_link(struct rtnl *rt, int32_t nsid, uint32_t index, struct nlmsghdr **ret)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)index };
	struct rtnl_req q;

	if (nsid < 0)
		return rtnl_link(rt, NULL, index, ret);
	rtnl_begin(&q, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_TARGET_NETNSID, &nsid, 4);
	return rtnl_get(rt, &q, ret);
}

/* The names by which it can be made again: the peer, or the link below. */
int link_read_peer(struct rtnl *rt, int32_t nsid, int ethtool, PeerEntry *p)
{
	_cleanup_free_ struct nlmsghdr *h = NULL, *up = NULL;
	struct link_info l, master;

	if (get_link(rt, nsid, p->index, &h) < 0 || link_parse(h, &l) < 0)
		return 0; /* gone meanwhile: restore will ask for a name */
	p->name = strdup(l.name);
	p->has_mtu = true;
	p->mtu = rtnl_u32(l.tb[IFLA_MTU], 0);
	if (!p->name || dump_bytes(l.tb[IFLA_ADDRESS], &p->has_address, &p->address) < 0)
		return log_oom();
	if (ethtool >= 0 && settings_dump(ethtool, l.name, &p->settings) < 0)
		return -ENOMEM;
	if (rtnl_u32(l.tb[IFLA_MASTER], 0) && get_link(rt, nsid, rtnl_u32(l.tb[IFLA_MASTER], 0), &up) == 0 &&
	    link_parse(up, &master) == 0) {
		p->master = strdup(master.name);
		if (!p->master || (streq(master.kind, "bridge") &&
				   dump_bytes(l.info[IFLA_INFO_SLAVE_DATA], &p->has_port, &p->port) < 0))
			return log_oom();
	}
	return 0;
}

static uint32_t vxlan_lower(const struct link_info *l)
{
	const struct nlattr *tb[IFLA_VXLAN_LINK + 1] = { 0 }, *d = l->info[IFLA_INFO_DATA];

	if (!d ||
	    rtnl_attrs_raw(mnl_attr_get_payload(d), mnl_attr_get_payload_len(d), tb, IFLA_VXLAN_LINK) < 0)
		return 0;
	return rtnl_u32(tb[IFLA_VXLAN_LINK], 0);
}

/* The namespace that is called @id here: one of the container, or the host's. */
static bool known_ns(const struct net_dump *n, const struct nlattr *id, uint32_t *ret)
{
	for (size_t i = 0; i < n->msg->n_nsids; i++) {
		if (n->msg->nsids[i]->nsid != (int32_t)rtnl_u32(id, -1))
			continue;
		*ret = n->msg->nsids[i]->ns_id;
		return true;
	}
	return false;
}

bool link_is_outside(const struct net_dump *n, const struct link_info *l)
{
	uint32_t ns_id;

	return !streq(l->kind, link_phys.kind) && l->tb[IFLA_LINK_NETNSID] &&
	       !known_ns(n, l->tb[IFLA_LINK_NETNSID], &ns_id);
}

static int dump_peer(struct net_dump *n, const struct link_info *l, LinkEntry *m)
{
	const struct nlattr *id = l->tb[IFLA_LINK_NETNSID];
	uint32_t index = streq(l->kind, "vxlan") ? vxlan_lower(l) : rtnl_u32(l->tb[IFLA_LINK], 0);
	uint32_t ns_id = n->msg->ns_id;
	int ret;

	if (!index || (!id && index == m->index) || streq(l->kind, link_phys.kind))
		return 0;
	if (id && !known_ns(n, id, &ns_id))
		ns_id = NS_OUTSIDE;
	m->peer = malloc(sizeof(*m->peer));
	if (!m->peer)
		return log_oom();
	peer_entry__init(m->peer);
	m->peer->index = index;
	m->peer->ns_id = ns_id;
	if (ns_id == NS_OUTSIDE)
		return outside_dump(n, m, (int32_t)rtnl_u32(id, -1));
	if (ns_id)
		return 0;
	ret = link_read_peer(&n->host, -1, n->host_ethtool, m->peer);
	return ret < 0 ? ret : outside_dump_host(n, m);
}

const char *link_refuse(const struct link_info *l)
{
	const struct link_ops *ops = link_find(l->kind);
	const struct nlattr *tb[IFLA_XDP_MAX + 1] = { 0 }, *xdp = l->tb[IFLA_XDP];

	if (!ops)
		return "is of a kind that is not supported; remove it";
	if (xdp)
		rtnl_attrs_raw(mnl_attr_get_payload(xdp), mnl_attr_get_payload_len(xdp), tb, IFLA_XDP_MAX);
	if (rtnl_u8(tb[IFLA_XDP_ATTACHED], XDP_ATTACHED_NONE) != XDP_ATTACHED_NONE)
		return "has an XDP program, which is not supported; detach it";
	return ops->refuse ? ops->refuse(l) : NULL;
}

static int link_dump(struct net_dump *n, struct link_info *l)
{
	const char *why;
	LinkEntry *m;
	int ret;

	if (phys_of_host(n->d, n->ns, l->name))
		l->kind = link_phys.kind; /* whatever it is */
	why = link_refuse(l);
	if (why) {
		log_error("link %s (%s, network namespace %u) %s", l->name, l->kind, n->msg->ns_id, why);
		return -EOPNOTSUPP;
	}
	if (!GROW(n->msg->links, n->msg->n_links))
		return log_oom();
	ret = link_read(l, &m);
	if (ret < 0)
		return ret;
	n->msg->links[n->msg->n_links++] = m;
	if (n->ethtool >= 0)
		ret = settings_dump(n->ethtool, m->name, &m->settings);
	if (ret == 0)
		ret = dump_peer(n, l, m);
	return ret;
}

int links_dump(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), &list);

	if (ret < 0)
		return log_errno(ret, "network namespace %u: list of links", n->msg->ns_id);
	for (size_t i = 0; i < list.n; i++) {
		struct link_info l;

		ret = link_parse(list.v[i], &l);
		if (ret < 0)
			return log_errno(ret, "network namespace %u: a link", n->msg->ns_id);
		if (link_is_fallback(&l))
			continue;
		ret = link_dump(n, &l);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* The kernel lists links by index; an image that does not is searched all through. */
const LinkEntry *link_entry(const NetEntry *m, uint32_t index)
{
	size_t from = 0, to = m->n_links;

	while (from < to) {
		const size_t at = from + (to - from) / 2;

		if (m->links[at]->index == index)
			return m->links[at];
		if (m->links[at]->index < index)
			from = at + 1;
		else
			to = at;
	}
	for (size_t i = 0; i < m->n_links; i++)
		if (m->links[i]->index == index)
			return m->links[i];
	return NULL;
}
