/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links on restore: the order, the common attributes, masters and flags. See link.c. */
#include <linux/if.h>
#include <linux/if_addr.h>

#include "base/log.h"
#include "net/outside.h"

/* Flags a user sets; the rest is the driver's or the kernel's. */
#define USER_FLAGS (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_DYNAMIC | IFF_DEBUG)

struct nlattr *rtnl_nest(struct rtnl_req *q, uint16_t type)
{
	return mnl_attr_nest_start_check(&q->h, sizeof(*q), type);
}

int link_begin(struct rtnl_req *q, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	int ret;

	rtnl_begin(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	ret = rtnl_put_str(q, IFLA_IFNAME, m->name);
	if (ret == 0 && m->has_address)
		ret = rtnl_put(q, IFLA_ADDRESS, m->address.data, m->address.len);
	if (ret == 0 && m->mtu)
		ret = rtnl_put(q, IFLA_MTU, &m->mtu, 4);
	if (ret == 0 && m->has_txqlen)
		ret = rtnl_put(q, IFLA_TXQLEN, &m->txqlen, 4);
	if (ret == 0 && m->has_group)
		ret = rtnl_put(q, IFLA_GROUP, &m->group, 4);
	if (!settings_queues(m))
		return ret;
	if (ret == 0 && m->has_num_tx_queues)
		ret = rtnl_put(q, IFLA_NUM_TX_QUEUES, &m->num_tx_queues, 4);
	if (ret == 0 && m->has_num_rx_queues)
		ret = rtnl_put(q, IFLA_NUM_RX_QUEUES, &m->num_rx_queues, 4);
	return ret;
}

int link_put_info(struct rtnl_req *q, const LinkEntry *m)
{
	const struct link_ops *ops = link_find(m->kind);
	struct nlattr *info = rtnl_nest(q, IFLA_LINKINFO), *nest;
	const struct nlattr *tb[64] = { 0 };
	int ret = info ? rtnl_put_str(q, IFLA_INFO_KIND, m->kind) : -E2BIG;

	if (ret == 0 && m->has_info_data)
		ret = rtnl_attrs_raw(m->info_data.data, m->info_data.len, tb, ARRAY_SIZE(tb) - 1);
	if (ret < 0)
		return ret;
	nest = rtnl_nest(q, IFLA_INFO_DATA);
	for (size_t i = 1; i < ARRAY_SIZE(tb) && ret == 0; i++)
		if (tb[i] && !(ops->computed & 1ull << i))
			ret = ops->put ? ops->put(q, tb[i]) : rtnl_put_raw(q, tb[i], tb[i]->nla_len);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	mnl_attr_nest_end(&q->h, info);
	return ret;
}

int link_do(struct rtnl *rt, struct rtnl_req *q, const char *name, const char *what)
{
	int ret = rtnl_do(rt, q);

	if (ret == 0)
		return 0;
	if (rt->why[0])
		return log_errno(ret, "link %s: %s: %s", name, what, rt->why);
	return log_errno(ret, "link %s: %s", name, what);
}

/* The index, on the host or outside, of the link that @m lies on: as asked for, or as recorded. */
static int far_lower(struct restore *r, struct rnet *n, const LinkEntry *m, struct place **ret_place,
		     uint32_t *ret_index)
{
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct wanted_end w;
	int ret = place_of(r, n, m, &w);

	if (ret < 0)
		return ret;
	ret = rtnl_link(w.place->rt, w.name, 0, &h);
	if (ret < 0)
		return log_errno(
			ret, "link %s (%s): lies on %s %s; make it or give --external %s[%s]:LINK[,WHERE]",
			m->name, m->kind, w.name, w.place->text, m->kind, m->name);
	*ret_index = ((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
	*ret_place = w.place;
	return 0;
}

static int put_lower(struct restore *r, struct rnet *n, const LinkEntry *m, struct rtnl_req *q)
{
	uint32_t index = m->peer->index;
	struct place *place = NULL;
	struct rnet *o = NULL;
	int ret, nsid;

	if (m->peer->ns_id == n->msg->ns_id)
		return rtnl_put(q, IFLA_LINK, &index, 4);
	if (m->peer->ns_id == 0 || m->peer->ns_id == NS_OUTSIDE) {
		ret = far_lower(r, n, m, &place, &index);
		if (ret < 0)
			return ret;
		place_keep_id(n, place, m);
	} else {
		o = rnet_find(r, m->peer->ns_id);
		if (!o || o->ns_fd < 0) {
			log_error("link %s: lies on a link of network namespace %u, which is made later: not "
				  "supported",
				  m->name, m->peer->ns_id);
			return -EOPNOTSUPP;
		}
	}
	nsid = nsid_of(n, o ? o->ns_fd : place->ns_fd);
	if (nsid < 0)
		return log_errno(nsid, "link %s: id of the network namespace of the link it lies on",
				 m->name);
	ret = rtnl_put(q, IFLA_LINK, &index, 4);
	return ret < 0 ? ret : rtnl_put(q, IFLA_LINK_NETNSID, &nsid, 4);
}

/* The kinds without a make function: what the kernel showed, sent back. */
static int make_as_was(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	LinkEntry made = *m;
	struct rtnl_req q;
	int ret;

	if (streq(m->kind, "bridge") && bridge_follows_ports(n->msg, m))
		made.has_address = false;
	ret = link_begin(&q, &made);
	if (ret == 0 && m->peer)
		ret = put_lower(r, n, m, &q);
	if (ret == 0)
		ret = link_put_info(&q, m);
	if (ret < 0)
		return ret;
	return link_do(&n->rt, &q, m->name, "create");
}

int link_set_attrs(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (m->mtu)
		rtnl_put(&q, IFLA_MTU, &m->mtu, 4);
	if (m->has_txqlen)
		rtnl_put(&q, IFLA_TXQLEN, &m->txqlen, 4);
	if (m->has_address)
		rtnl_put(&q, IFLA_ADDRESS, m->address.data, m->address.len);
	return link_do(&n->rt, &q, m->name, "address, mtu and queue length");
}

/* lo is there already. */
static int make_lo(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (m->mtu)
		rtnl_put(&q, IFLA_MTU, &m->mtu, 4);
	if (m->has_txqlen)
		rtnl_put(&q, IFLA_TXQLEN, &m->txqlen, 4);
	return link_do(&n->rt, &q, m->name, "set mtu and queue length");
}

static int link_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	const struct link_ops *ops = link_find(m->kind);

	if (streq(m->kind, "lo"))
		return make_lo(n, m);
	if (phys_given(r, n, m))
		return link_phys.make(r, n, m);
	return ops->make ? ops->make(r, n, m) : make_as_was(r, n, m);
}

static int put_altnames(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	struct nlattr *nest;
	struct rtnl_req q;
	int ret = 0;

	if (!m->n_altnames)
		return 0;
	rtnl_begin(&q, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, &ifi, sizeof(ifi));
	nest = rtnl_nest(&q, IFLA_PROP_LIST);
	for (size_t i = 0; i < m->n_altnames && ret == 0; i++)
		ret = rtnl_put_str(&q, IFLA_ALT_IFNAME, m->altnames[i]);
	mnl_attr_nest_end(&q.h, nest);
	return ret < 0 ? ret : link_do(&n->rt, &q, m->name, "alternative names");
}

/* The second pass: all links are there. */
int link_set(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index,
				       .ifi_flags = m->flags & USER_FLAGS,
				       .ifi_change = streq(m->kind, "lo") ? 0 : USER_FLAGS };
	struct rtnl_req q;
	int ret = 0;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (m->alias)
		ret = rtnl_put(&q, IFLA_IFALIAS, m->alias, strlen(m->alias));
	if (ret == 0 && m->has_txqlen) /* the end of a pair that was made with the other one */
		ret = rtnl_put(&q, IFLA_TXQLEN, &m->txqlen, 4);
	if (ret == 0 && m->has_group)
		ret = rtnl_put(&q, IFLA_GROUP, &m->group, 4);
	if (ret == 0 && m->has_master)
		ret = rtnl_put(&q, IFLA_MASTER, &m->master, 4);
	if (ret == 0)
		ret = link_do(&n->rt, &q, m->name, "flags, alias and master");
	if (ret == 0)
		ret = put_altnames(n, m);
	if (ret == 0 && m->has_addr_gen_mode)
		ret = link_set_inet6(n, m, IN6_ADDR_GEN_MODE_NONE, false);
	return ret;
}

int links_make(struct restore *r, struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_make(r, n, n->order[i]);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_set(n, n->order[i]);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = bridge_port_restore(n, n->order[i]);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = attrs_restore(n, n->order[i]);
	return ret;
}

/* Append @m after what it lies on; @state: 0 new, 1 being visited, 2 done. */
static int order_visit(struct rnet *n, size_t i, uint8_t *state, size_t *n_done)
{
	const LinkEntry *m = n->msg->links[i];
	const PeerEntry *p = m->peer;
	int ret;

	if (state[i] == 2)
		return 0;
	if (state[i] == 1) {
		log_error("image: link %s lies on itself by way of others", m->name);
		return -EBADMSG;
	}
	state[i] = 1;
	/* Of a pair in one namespace the lower index makes both. */
	if (p && p->ns_id == n->msg->ns_id && (!link_find(m->kind)->peer || p->index < m->index)) {
		size_t j = 0;

		while (j < n->msg->n_links && n->msg->links[j]->index != p->index)
			j++;
		if (j == n->msg->n_links) {
			log_error("image: link %s lies on link %u, which is not there", m->name, p->index);
			return -EBADMSG;
		}
		ret = order_visit(n, j, state, n_done);
		if (ret < 0)
			return ret;
	}
	state[i] = 2;
	n->order[(*n_done)++] = m;
	return 0;
}

int link_check(const NetEntry *net, const LinkEntry *m)
{
	bool bad = !m->index || m->index > INT32_MAX || !m->name[0] || strlen(m->name) >= IFNAMSIZ ||
		   strchr(m->name, '/') || m->address.len > 32 || (m->has_token && m->token.len != 16) ||
		   (streq(m->kind, "lo") && m->index != 1) || (m->alias && strlen(m->alias) >= 256);

	for (size_t j = 0; j < m->n_altnames && !bad; j++)
		bad = strlen(m->altnames[j]) >= 128;
	if (!bad && m->has_master)
		bad = m->master == m->index || !link_entry(net, m->master);
	if (bad) {
		log_error("image: network namespace %u: link %u is damaged", net->ns_id, m->index);
		return -EBADMSG;
	}
	if (link_find(m->kind))
		return 0;
	log_error("link %s: kind %s is not supported by this version", m->name, m->kind);
	return -EOPNOTSUPP;
}

static int by_index(const void *a, const void *b)
{
	const LinkEntry *x = *(LinkEntry *const *)a, *y = *(LinkEntry *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(LinkEntry *const *)a)->name, (*(LinkEntry *const *)b)->name);
}

/* No index and no name twice. */
static int check_unique(const NetEntry *net)
{
	int (*const orders[])(const void *, const void *) = { by_index, by_name };
	_cleanup_free_ const LinkEntry **v = calloc(net->n_links + 1, sizeof(*v));

	if (!v)
		return log_oom();
	for (size_t i = 0; i < net->n_links; i++)
		v[i] = net->links[i];
	for (size_t k = 0; k < ARRAY_SIZE(orders); k++) {
		qsort(v, net->n_links, sizeof(*v), orders[k]);
		for (size_t i = 1; i < net->n_links; i++)
			if (orders[k](&v[i - 1], &v[i]) == 0) {
				log_error("image: network namespace %u: link %s is there twice", net->ns_id,
					  v[i]->name);
				return -EBADMSG;
			}
	}
	return 0;
}

int links_plan(struct restore *r, struct rnet *n)
{
	_cleanup_free_ uint8_t *state = calloc(n->msg->n_links + 1, 1);
	size_t n_done = 0;
	int ret = 0;

	free(n->order);
	n->order = calloc(n->msg->n_links + 1, sizeof(*n->order));
	if (!state || !n->order)
		return log_oom();
	if (n->msg->n_links > LINKS_MAX) {
		log_error("image: network namespace %u: %zu links", n->msg->ns_id, n->msg->n_links);
		return -EBADMSG;
	}
	ret = check_unique(n->msg);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_check(n->msg, n->msg->links[i]);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = order_visit(n, i, state, &n_done);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++) {
		const LinkEntry *m = n->order[i];
		const struct link_ops *ops = link_find(m->kind);
		struct place *place;
		uint32_t lower;

		if (streq(m->kind, "lo"))
			continue;
		if (phys_given(r, n, m))
			ret = link_phys.plan(r, n, m);
		else if (ops->plan)
			ret = ops->plan(r, n, m);
		else if (m->peer && (m->peer->ns_id == 0 || m->peer->ns_id == NS_OUTSIDE))
			ret = far_lower(r, n, m, &place, &lower);
	}
	return ret;
}
