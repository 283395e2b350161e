/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridges: what links in general have not: ports, the spanning tree, multicast groups set by hand.
 *
 * The spanning tree is switched on last, when the ports forward, which they then go on doing: a port that
 * comes up with it on would be closed for half a minute. Ports that were blocked by it or by hand are blocked
 * before. Ports are numbered anew. Groups: permanent ones only, what the bridge learned it learns again;
 * source lists of a group (not groups of one source) are lost with a warning. Refused: VLAN filtering. Lost:
 * timers, statistics; a bridge that has never had a port has a carrier, and has none when it is made again
 * with its address.
 */
#include <linux/if.h>
#include <linux/if_bridge.h>

#include "base/log.h"
#include "net/link.h"

#define MDBE_ATTR_RTPROT 4 /* since 6.3 */

static const char *refuse_bridge(const struct link_info *l)
{
	const struct nlattr *tb[IFLA_BR_MAX + 1] = { 0 };
	const struct nlattr *d = l->info[IFLA_INFO_DATA];

	if (!d || rtnl_attrs_raw(mnl_attr_get_payload(d), mnl_attr_get_payload_len(d), tb, IFLA_BR_MAX) < 0)
		return NULL;
	if (rtnl_u8(tb[IFLA_BR_VLAN_FILTERING], 0))
		return "is a bridge that filters VLANs, which is not supported; switch vlan_filtering off";
	return NULL;
}

/* Options are only switched on: a kernel built without one refuses to switch it off, too. */
static int put_bridge(struct rtnl_req *q, const struct nlattr *a)
{
	struct br_boolopt_multi opt;

	if (mnl_attr_get_type(a) == IFLA_BR_STP_STATE)
		return 0; /* bridges_finish() */
	if (mnl_attr_get_type(a) != IFLA_BR_MULTI_BOOLOPT || mnl_attr_get_payload_len(a) < sizeof(opt))
		return rtnl_put_raw(q, a, a->nla_len);
	memcpy(&opt, mnl_attr_get_payload(a), sizeof(opt));
	opt.optmask = opt.optval;
	return rtnl_put(q, IFLA_BR_MULTI_BOOLOPT, &opt, sizeof(opt));
}

static bool is_port(const LinkEntry *m)
{
	return m->has_master && m->slave_kind && streq(m->slave_kind, "bridge") && m->has_slave_data;
}

bool bridge_follows_ports(const NetEntry *net, const LinkEntry *m)
{
	const LinkEntry *lowest = NULL;

	for (size_t i = 0; i < net->n_links; i++) {
		const LinkEntry *l = net->links[i];

		if (l->has_master && l->master == m->index && l->address.len == 6 &&
		    (!lowest || memcmp(l->address.data, lowest->address.data, 6) < 0))
			lowest = l;
	}
	return lowest && m->address.len == 6 && memcmp(lowest->address.data, m->address.data, 6) == 0;
}

/* The settings that a user makes, of those in @data. Other links are called as in there only where @own. */
static int port_set(struct rtnl *rt, uint32_t index, const char *name, const ProtobufCBinaryData *data,
		    bool own)
{
	const struct ifinfomsg ifi = { .ifi_index = index };
	static const uint16_t keep[] = {
		IFLA_BRPORT_PRIORITY,
		IFLA_BRPORT_COST,
		IFLA_BRPORT_MODE,
		IFLA_BRPORT_GUARD,
		IFLA_BRPORT_PROTECT,
		IFLA_BRPORT_FAST_LEAVE,
		IFLA_BRPORT_LEARNING,
		IFLA_BRPORT_UNICAST_FLOOD,
		IFLA_BRPORT_PROXYARP,
		IFLA_BRPORT_PROXYARP_WIFI,
		IFLA_BRPORT_MULTICAST_ROUTER,
		IFLA_BRPORT_MCAST_TO_UCAST,
		IFLA_BRPORT_MCAST_FLOOD,
		IFLA_BRPORT_BCAST_FLOOD,
		IFLA_BRPORT_GROUP_FWD_MASK,
		IFLA_BRPORT_NEIGH_SUPPRESS,
		IFLA_BRPORT_ISOLATED,
		IFLA_BRPORT_LOCKED,
		IFLA_BRPORT_BACKUP_PORT,
		IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT,
	};
	const struct nlattr *tb[IFLA_BRPORT_MAX + 1] = { 0 };
	int ret = rtnl_attrs_raw(data->data, data->len, tb, IFLA_BRPORT_MAX);
	struct nlattr *info, *nest;
	struct rtnl_req q;

	if (ret < 0)
		return ret;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	info = rtnl_nest(&q, IFLA_LINKINFO);
	rtnl_put_str(&q, IFLA_INFO_SLAVE_KIND, "bridge");
	nest = rtnl_nest(&q, IFLA_INFO_SLAVE_DATA);
	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]] && (own || keep[i] != IFLA_BRPORT_BACKUP_PORT))
			ret = rtnl_put_raw(&q, tb[keep[i]], tb[keep[i]]->nla_len);
	mnl_attr_nest_end(&q.h, nest);
	mnl_attr_nest_end(&q.h, info);
	return ret < 0 ? ret : link_do(rt, &q, name, "settings of the bridge port");
}

int bridge_port_restore(struct rnet *n, const LinkEntry *m)
{
	return is_port(m) ? port_set(&n->rt, m->index, m->name, &m->slave_data, true) : 0;
}

int bridge_port_set(struct rtnl *rt, uint32_t index, const char *name, const ProtobufCBinaryData *data)
{
	return port_set(rt, index, name, data, false);
}

/* One attribute of the port, or of the bridge itself. */
static int send_u(struct rnet *n, const LinkEntry *m, bool port, uint16_t type, uint32_t value)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	const uint8_t byte = value;
	struct nlattr *info, *data;
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	info = rtnl_nest(&q, IFLA_LINKINFO);
	ret = rtnl_put_str(&q, port ? IFLA_INFO_SLAVE_KIND : IFLA_INFO_KIND, "bridge");
	data = rtnl_nest(&q, port ? IFLA_INFO_SLAVE_DATA : IFLA_INFO_DATA);
	if (ret == 0) /* a port's state is a byte, the spanning tree's switch a word */
		ret = port ? rtnl_put(&q, type, &byte, 1) : rtnl_put(&q, type, &value, 4);
	mnl_attr_nest_end(&q.h, data);
	mnl_attr_nest_end(&q.h, info);
	return ret < 0 ? ret : rtnl_do(&n->rt, &q);
}

/* A port that had a carrier and did not forward. */
static int block_port(struct rnet *n, const LinkEntry *m)
{
	const struct nlattr *tb[IFLA_BRPORT_MAX + 1] = { 0 };
	uint8_t state;
	int ret;

	if (!is_port(m) || !(m->flags & IFF_UP) || !(m->flags & IFF_LOWER_UP) ||
	    rtnl_attrs_raw(m->slave_data.data, m->slave_data.len, tb, IFLA_BRPORT_MAX) < 0)
		return 0;
	state = rtnl_u8(tb[IFLA_BRPORT_STATE], BR_STATE_FORWARDING);
	if (state == BR_STATE_FORWARDING || state > BR_STATE_BLOCKING)
		return 0;
	ret = send_u(n, m, true, IFLA_BRPORT_STATE, state);
	return ret == -ENETDOWN ? 0 : ret; /* no carrier any more: it is closed */
}

static int start_stp(struct rnet *n, const LinkEntry *m)
{
	const struct nlattr *tb[IFLA_BR_MAX + 1] = { 0 };

	if (!streq(m->kind, "bridge") || !m->has_info_data ||
	    rtnl_attrs_raw(m->info_data.data, m->info_data.len, tb, IFLA_BR_MAX) < 0 ||
	    !rtnl_u32(tb[IFLA_BR_STP_STATE], 0))
		return 0;
	return send_u(n, m, false, IFLA_BR_STP_STATE, 1);
}

int bridges_finish(struct rnet *n, bool late)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_is_late(n->msg, n->msg->links[i]) == late ? block_port(n, n->msg->links[i]) : 0;
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_is_late(n->msg, n->msg->links[i]) == late ? start_stp(n, n->msg->links[i]) : 0;
	return ret < 0 ? log_errno(ret, "network namespace %u: spanning tree", n->msg->ns_id) : 0;
}

static int group_dump(struct net_dump *n, uint32_t bridge, const struct nlattr *a)
{
	const struct nlattr *tb[MDBA_MDB_EATTR_MAX + 1] = { 0 };
	const struct br_mdb_entry *e = mnl_attr_get_payload(a);
	const size_t len = mnl_attr_get_payload_len(a);
	BridgeGroupEntry *m;
	int ret = len < sizeof(*e) ? -EBADMSG : 0;

	if (ret == 0 && len > sizeof(*e))
		ret = rtnl_attrs_raw(e + 1, len - sizeof(*e), tb, MDBA_MDB_EATTR_MAX);
	if (ret < 0 || e->state != MDB_PERMANENT)
		return ret;
	if (tb[MDBA_MDB_EATTR_SRC_LIST])
		log_warn("link %u: the list of sources of a multicast group of the bridge is not kept",
			 bridge);
	m = malloc(sizeof(*m));
	if (!m || !GROW(n->msg->bridge_groups, n->msg->n_bridge_groups)) {
		free(m);
		return -ENOMEM;
	}
	bridge_group_entry__init(m);
	n->msg->bridge_groups[n->msg->n_bridge_groups++] = m;
	m->bridge = bridge;
	m->has_source = tb[MDBA_MDB_EATTR_SOURCE] != NULL;
	m->has_protocol = tb[MDBA_MDB_EATTR_RTPROT] != NULL;
	m->protocol = rtnl_u8(tb[MDBA_MDB_EATTR_RTPROT], 0);
	ret = bytes_copy(&m->entry, e, sizeof(*e));
	if (ret == 0 && m->has_source)
		ret = bytes_copy(&m->source, mnl_attr_get_payload(tb[MDBA_MDB_EATTR_SOURCE]),
				 mnl_attr_get_payload_len(tb[MDBA_MDB_EATTR_SOURCE]));
	return ret;
}

/* MDBA_MDB { MDBA_MDB_ENTRY { MDBA_MDB_ENTRY_INFO ... } ... } of one bridge. */
static int groups_of(struct net_dump *n, const struct nlmsghdr *h)
{
	const struct nlattr *tb[MDBA_MAX + 1] = { 0 }, *group, *port;
	const struct br_port_msg *bpm = mnl_nlmsg_get_payload(h);
	int ret = rtnl_attrs(h, sizeof(*bpm), tb, MDBA_MAX);

	if (ret < 0 || !tb[MDBA_MDB])
		return ret;
	mnl_attr_for_each_nested(group, tb[MDBA_MDB]) mnl_attr_for_each_nested(
		port, group) if (ret == 0 && mnl_attr_get_type(port) == MDBA_MDB_ENTRY_INFO) ret =
		group_dump(n, bpm->ifindex, port);
	return ret;
}

int groups_dump(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, RTM_GETMDB, AF_BRIDGE, sizeof(struct br_port_msg), &list);

	if (ret == -EOPNOTSUPP)
		return 0;
	for (size_t i = 0; i < list.n && ret == 0; i++)
		ret = groups_of(n, list.v[i]);
	return ret < 0 ? log_errno(ret, "network namespace %u: multicast groups of bridges", n->msg->ns_id)
		       : 0;
}

static int group_restore(struct rnet *n, const BridgeGroupEntry *m)
{
	const struct br_port_msg bpm = { .family = AF_BRIDGE, .ifindex = m->bridge };
	const uint8_t protocol = m->protocol;
	struct br_mdb_entry e;
	struct nlattr *nest;
	struct rtnl_req q;
	int ret;

	if (m->entry.len != sizeof(e) || m->source.len > 16)
		return -EBADMSG;
	memcpy(&e, m->entry.data, sizeof(e));
	e.flags = 0;
	rtnl_begin(&q, RTM_NEWMDB, NLM_F_CREATE | NLM_F_EXCL, &bpm, sizeof(bpm));
	ret = rtnl_put(&q, MDBA_SET_ENTRY, &e, sizeof(e));
	if (m->has_source || m->has_protocol) {
		nest = rtnl_nest(&q, MDBA_SET_ENTRY_ATTRS);
		if (ret == 0 && m->has_source)
			ret = rtnl_put(&q, MDBE_ATTR_SOURCE, m->source.data, m->source.len);
		if (ret == 0 && m->has_protocol)
			ret = rtnl_put(&q, MDBE_ATTR_RTPROT, &protocol, 1);
		mnl_attr_nest_end(&q.h, nest);
	}
	ret = ret < 0 ? ret : rtnl_do(&n->rt, &q);
	return ret == -EEXIST ? 0 : ret;
}

/* The kernel takes them only when the bridge is up and snoops. */
int groups_restore(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_bridge_groups; i++) {
		const BridgeGroupEntry *m = n->msg->bridge_groups[i];
		const LinkEntry *l = link_entry(n->msg, m->bridge);
		int ret = l ? group_restore(n, m) : -EBADMSG;

		if (ret == -EBADMSG || (ret < 0 && l && (l->flags & IFF_UP)))
			return log_errno(ret, "link %s: multicast group%s%s", l ? l->name : "?",
					 n->rt.why[0] ? ": " : "", n->rt.why);
		if (ret < 0)
			log_warn("link %s: a multicast group of the bridge is lost: it is down", l->name);
	}
	return 0;
}

#define BIT(n) (1ull << (n))
#define BR_FDB_N_LEARNED 48 /* since 6.7 */
const struct link_ops link_bridge = {
	.kind = "bridge",
	.refuse = refuse_bridge,
	.put = put_bridge,
	.computed = BIT(IFLA_BR_ROOT_ID) | BIT(IFLA_BR_BRIDGE_ID) | BIT(IFLA_BR_ROOT_PORT) |
		    BIT(IFLA_BR_ROOT_PATH_COST) | BIT(IFLA_BR_TOPOLOGY_CHANGE) |
		    BIT(IFLA_BR_TOPOLOGY_CHANGE_DETECTED) | BIT(IFLA_BR_HELLO_TIMER) |
		    BIT(IFLA_BR_TCN_TIMER) | BIT(IFLA_BR_TOPOLOGY_CHANGE_TIMER) | BIT(IFLA_BR_GC_TIMER) |
		    BIT(IFLA_BR_FDB_FLUSH) | BIT(IFLA_BR_VLAN_FILTERING) | BIT(BR_FDB_N_LEARNED),
};
