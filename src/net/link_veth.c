/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * veth: a pair, this end in a namespace of the container.
 *
 * The other end is in the host's namespace or one outside (made with it, sent there, named, put on its
 * bridge and taken up), in the same one (made with the first of the two), or in another namespace of the
 * container (made when the second of the two namespaces is). The pair is always made from inside:
 * only then does the kernel honour both indexes (drivers/net/veth.c).
 * --veth-pair NAME=[OUT][@BRIDGE][,WHERE] (external veth[NAME]) says how the end outside is to be called and
 * where it is to be; without it the recorded name, bridge and namespace are taken (place.c).
 */
#include <linux/if.h>
#include <linux/veth.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/netns.h"
#include "net/outside.h"

/* How long a host end of the same name may take to vanish with its namespace (cleanup_net is asynchronous).
 */
#define NAME_FREE_TRIES 100

/* "tun": of an Open vSwitch whose datapath is in user space. */
static bool made_by_scripts(const struct link_info *bridge)
{
	return streq(bridge->kind, "openvswitch") || streq(bridge->kind, "ovs") || streq(bridge->kind, "tun");
}

static int plan_bridge(const LinkEntry *m, const struct wanted_end *w)
{
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct link_info l;
	int ret = rtnl_link(w->place->rt, w->bridge, 0, &h);

	if (ret == 0)
		ret = link_parse(h, &l);
	if (ret < 0)
		return log_errno(ret,
				 "link %s: bridge %s for its end %s %s; make the bridge, or give "
				 "--veth-pair %s=%s@BRIDGE",
				 m->name, w->bridge, w->name, w->place->text, m->name, w->name);
	if (!streq(l.kind, "bridge") && !made_by_scripts(&l)) {
		log_error("link %s: %s is no bridge; give --veth-pair %s=%s@BRIDGE", m->name, w->bridge,
			  m->name, w->name);
		return -EINVAL;
	}
	return 0;
}

/* Wait for the previous owner's end to go. */
static int plan_name(const LinkEntry *m, const struct wanted_end *w)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };

	for (int i = 0; i < NAME_FREE_TRIES; i++) {
		_cleanup_free_ struct nlmsghdr *h = NULL;
		int ret = rtnl_link(w->place->rt, w->name, 0, &h);

		if (ret == -ENODEV)
			return 0;
		if (ret < 0)
			return log_errno(ret, "link %s: its end %s %s", m->name, w->name, w->place->text);
		nanosleep(&pause, NULL);
	}
	log_error("link %s: its end %s exists already %s; remove it (ip link del %s) or give --veth-pair "
		  "%s=OTHER",
		  m->name, w->name, w->place->text, w->name, m->name);
	return -EEXIST;
}

static bool is_away(const LinkEntry *m)
{
	return !m->peer || m->peer->ns_id == 0 || m->peer->ns_id == NS_OUTSIDE;
}

static int veth_plan(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct wanted_end w;
	int ret;

	if (!is_away(m)) {
		const struct rnet *o = rnet_find(r, m->peer->ns_id);
		const LinkEntry *e = o ? link_entry(o->msg, m->peer->index) : NULL;

		if (e && e != m && streq(e->kind, "veth") && e->peer && e->peer->index == m->index &&
		    e->peer->ns_id == n->msg->ns_id)
			return 0;
		log_error("image: link %s: its other end is not there", m->name);
		return -EBADMSG;
	}
	ret = place_of(r, n, m, &w);
	if (ret == 0 && w.bridge[0])
		ret = plan_bridge(m, &w);
	return ret < 0 ? ret : plan_name(m, &w);
}

struct other_end {
	const char *name;
	uint32_t index;
	const uint8_t *address;
	size_t address_len;
	uint32_t mtu;
	uint32_t tx_queues, rx_queues; /* 0: the kernel chooses */
	int ns_fd; /* -1: the same namespace */
};

/* VETH_INFO_PEER { ifinfomsg, attributes } */
static int put_peer(struct rtnl_req *q, const struct other_end *e)
{
	const struct ifinfomsg ifi = { .ifi_index = e->index };
	struct nlattr *info = rtnl_nest(q, IFLA_LINKINFO), *data, *peer;
	int ret = rtnl_put_str(q, IFLA_INFO_KIND, "veth");

	data = rtnl_nest(q, IFLA_INFO_DATA);
	peer = rtnl_nest(q, VETH_INFO_PEER);
	if (!info || !data || !peer)
		return -E2BIG;
	if (ret == 0)
		ret = rtnl_put_raw(q, &ifi, sizeof(ifi));
	if (ret == 0)
		ret = rtnl_put_str(q, IFLA_IFNAME, e->name);
	if (ret == 0 && e->address_len)
		ret = rtnl_put(q, IFLA_ADDRESS, e->address, e->address_len);
	if (ret == 0 && e->mtu)
		ret = rtnl_put(q, IFLA_MTU, &e->mtu, 4);
	if (ret == 0 && e->tx_queues)
		ret = rtnl_put(q, IFLA_NUM_TX_QUEUES, &e->tx_queues, 4);
	if (ret == 0 && e->rx_queues)
		ret = rtnl_put(q, IFLA_NUM_RX_QUEUES, &e->rx_queues, 4);
	if (ret == 0 && e->ns_fd >= 0)
		ret = rtnl_put(q, IFLA_NET_NS_FD, &e->ns_fd, 4);
	mnl_attr_nest_end(&q->h, peer);
	mnl_attr_nest_end(&q->h, data);
	mnl_attr_nest_end(&q->h, info);
	return ret;
}

static int make_pair(struct rnet *n, const LinkEntry *m, const struct other_end *e)
{
	struct rtnl_req q;
	int ret = link_begin(&q, m);

	if (ret == 0)
		ret = put_peer(&q, e);
	return ret < 0 ? ret : link_do(&n->rt, &q, m->name, "create the pair");
}

/* 1: it becomes a port of a Linux bridge. */
static int put_bridge(struct rtnl_req *q, const LinkEntry *m, const struct wanted_end *w)
{
	_cleanup_free_ struct nlmsghdr *br = NULL;
	struct link_info l;
	int ret = w->bridge[0] ? rtnl_link(w->place->rt, w->bridge, 0, &br) : 0;

	if (!w->bridge[0])
		return 0;
	if (ret == 0)
		ret = link_parse(br, &l);
	if (ret < 0)
		return log_errno(ret, "link %s: bridge %s", m->name, w->bridge);
	if (!made_by_scripts(&l))
		return rtnl_put(q, IFLA_MASTER, &l.ifi->ifi_index, 4) ?: 1;
	log_warn("link %s: %s is an Open vSwitch: a script must add the port %s", m->name, w->bridge,
		 w->name);
	return 0;
}

/* On its bridge and up. The index is remembered first: what we made, net_undo() removes. */
static int setup_far_end(struct restore *r, struct rnet *n, const LinkEntry *m, const struct wanted_end *w)
{
	const OutsideEntry *o = outside_entry_of(n, m);
	const bool up = !o || !o->end || (o->end->flags & IFF_UP);
	struct net_store *s = r->net;
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct ifinfomsg ifi = { .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };
	struct rtnl_req q;
	int ret = rtnl_link(w->place->rt, w->name, 0, &h), port;

	if (ret < 0)
		return log_errno(ret, "link %s: its end %s %s", m->name, w->name, w->place->text);
	ifi.ifi_index = ((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
	if (!GROW(s->ends, s->n_ends))
		return log_oom();
	s->ends[s->n_ends++] =
		(struct host_end){ .index = ifi.ifi_index, .name = strdup(w->name), .place = w->place };
	if (m->peer && m->peer->settings) {
		_cleanup_close_ int sock = w->place->ns_fd == s->host_fd
						   ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
						   : netns_socket(w->place->ns_fd, AF_INET, SOCK_DGRAM, 0);

		settings_restore(sock, w->name, m->peer->settings);
	}
	ret = outside_made(r, n, m, w, ifi.ifi_index);
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	port = ret == 0 ? put_bridge(&q, m, w) : ret;
	if (port < 0)
		return port;
	ret = link_do(w->place->rt, &q, w->name, w->bridge[0] ? "put on its bridge and take up" : "take up");
	if (ret == 0 && port && m->peer && m->peer->has_port)
		ret = bridge_port_set(w->place->rt, ifi.ifi_index, w->name, &m->peer->port);
	return ret;
}

/* The index the other end had, if no link there has it. */
static uint32_t free_index(const struct rnet *n, const LinkEntry *m, const struct wanted_end *w)
{
	const OutsideEntry *o = outside_entry_of(n, m);
	_cleanup_free_ struct nlmsghdr *h = NULL;

	return o && o->end && rtnl_link(w->place->rt, NULL, o->end->index, &h) == -ENODEV ? o->end->index : 0;
}

static int make_with_far(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct other_end e = { 0 };
	struct wanted_end w;
	int ret = place_of(r, n, m, &w);

	if (ret < 0)
		return ret;
	place_keep_id(n, w.place, m);
	e.ns_fd = w.place->ns_fd;
	e.index = free_index(n, m, &w);
	e.name = w.name;
	e.mtu = m->peer && m->peer->has_mtu ? m->peer->mtu : m->mtu;
	if (m->peer && m->peer->has_address) {
		e.address = m->peer->address.data;
		e.address_len = m->peer->address.len;
	}
	ret = make_pair(n, m, &e);
	return ret < 0 ? ret : setup_far_end(r, n, m, &w);
}

/*
 * The other end is in a namespace of the container that comes later: it waits here under a name and an
 * index of ours, so that this end can be used at once.
 */
#define WAITING_INDEX 0x40000000

static void waiting_name(char name[IFNAMSIZ], uint32_t ns_id, uint32_t index)
{
	snprintf(name, IFNAMSIZ, "ctcr%x.%x", ns_id & 0xffff, index & 0xffffff);
}

static int fetch_waiting(struct rnet *from, struct rnet *n, const LinkEntry *m)
{
	struct ifinfomsg ifi = { .ifi_change = IFF_UP };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	char name[IFNAMSIZ];
	struct rtnl_req q;
	int ret;

	waiting_name(name, n->msg->ns_id, m->index);
	ret = rtnl_link(&from->rt, name, 0, &h);
	if (ret < 0)
		return log_errno(ret, "link %s: made as %s", m->name, name);
	ifi.ifi_index = ((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_NET_NS_FD, &n->ns_fd, 4);
	rtnl_put_str(&q, IFLA_IFNAME, m->name);
	rtnl_put(&q, IFLA_NEW_IFINDEX, &m->index, 4);
	if (m->has_txqlen)
		rtnl_put(&q, IFLA_TXQLEN, &m->txqlen, 4);
	if (m->has_group)
		rtnl_put(&q, IFLA_GROUP, &m->group, 4);
	return link_do(&from->rt, &q, m->name, "move into its namespace");
}

static int veth_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct other_end e = { .ns_fd = -1 };
	char name[IFNAMSIZ];
	const LinkEntry *o;
	struct rnet *on;

	if (is_away(m))
		return make_with_far(r, n, m);
	on = rnet_find(r, m->peer->ns_id);
	o = on ? link_entry(on->msg, m->peer->index) : NULL;
	if (!o)
		return -EBADMSG;
	if (on != n && on->linked)
		return fetch_waiting(on, n, m);
	if (on == n && o->index < m->index)
		return 0; /* made with the other end */
	e.name = o->name;
	e.index = o->index;
	if (on != n) {
		waiting_name(name, on->msg->ns_id, o->index);
		e.name = name;
		e.index = WAITING_INDEX + n->n_waiting++;
	}
	e.mtu = o->mtu;
	e.tx_queues = settings_queues(o) ? o->num_tx_queues : 0;
	e.rx_queues = settings_queues(o) ? o->num_rx_queues : 0;
	e.address = o->address.data;
	e.address_len = o->has_address ? o->address.len : 0;
	return make_pair(n, m, &e);
}

const struct link_ops link_veth = { .kind = "veth", .peer = true, .plan = veth_plan, .make = veth_make };
