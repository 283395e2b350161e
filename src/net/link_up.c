/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links taken up, IPv6 address generation, and the order of links by what the kernel made for them. */
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"
#include "net/route.h"

/* IPv6 address generation and token by netlink, which unlike the sysctl makes no addresses at once. */
int link_set_inet6(struct rnet *n, const LinkEntry *m, uint8_t mode, bool token)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	struct nlattr *spec, *af;
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	spec = rtnl_nest(&q, IFLA_AF_SPEC);
	af = rtnl_nest(&q, AF_INET6);
	ret = rtnl_put(&q, IFLA_INET6_ADDR_GEN_MODE, &mode, 1);
	if (ret == 0 && token)
		ret = rtnl_put(&q, IFLA_INET6_TOKEN, m->token.data, m->token.len);
	mnl_attr_nest_end(&q.h, af);
	mnl_attr_nest_end(&q.h, spec);
	return ret < 0 ? ret : link_do(&n->rt, &q, m->name, "IPv6 address generation");
}

struct ranked {
	size_t rank, at; /* of the link's route, and of the link among equals */
	const LinkEntry *link;
};

static int by_index(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->link->index < y->link->index ? -1 : x->link->index > y->link->index;
}

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The rank of each of @v, sorted by index, that has such a route. */
static void rank_links(const NetEntry *net, const uint8_t *prefix, uint8_t len, struct ranked *v)
{
	for (size_t i = 0; i < net->n_routes; i++) {
		const LinkEntry key = { .index = route_of_kernel(&net->routes[i], prefix, len) };
		struct ranked *found = key.index ? bsearch(&(struct ranked){ .link = &key }, v, net->n_links,
							   sizeof(*v), by_index)
						 : NULL;

		if (found && found->rank == SIZE_MAX)
			found->rank = i;
	}
}

const LinkEntry **links_by_route(const struct rnet *n, const uint8_t *prefix, uint8_t len)
{
	const size_t n_links = n->msg->n_links;
	_cleanup_free_ struct ranked *v = calloc(n_links + 1, sizeof(*v));
	const LinkEntry **ret = calloc(n_links + 1, sizeof(*ret));

	if (!v || !ret) {
		free(ret);
		return NULL;
	}
	for (size_t i = 0; i < n_links; i++)
		v[i] = (struct ranked){ .rank = SIZE_MAX, .at = i, .link = n->order[i] };
	qsort(v, n_links, sizeof(*v), by_index);
	rank_links(n->msg, prefix, len, v);
	qsort(v, n_links, sizeof(*v), by_rank);
	for (size_t i = 0; i < n_links; i++)
		ret[i] = v[i].link;
	return ret;
}

static int link_up(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_req q;

	if (!(m->flags & IFF_UP))
		return 0;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	return link_do(&n->rt, &q, m->name, "up");
}

/*
 * The kernel notices carriers some time later (net/core/link_watch.c), and until then drops what is
 * sent; asked for the link's state it does so at once (ethtool_op_get_link()). Of no consequence if
 * it cannot be asked.
 */
void links_settle(struct rnet *n, int sock)
{
	for (size_t i = 0; sock >= 0 && i < n->msg->n_links; i++) {
		struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
		struct ifreq ifr = { .ifr_data = (void *)&value };

		if (!(n->order[i]->flags & IFF_UP))
			continue;
		strncpy(ifr.ifr_name, n->order[i]->name, IFNAMSIZ - 1);
		ioctl(sock, SIOCETHTOOL, &ifr);
	}
}

/* Address generation off, again: the kernel switches it on with a secret to make addresses of (sysctl). */
static int generate_none(struct rnet *n)
{
	bool secret = false;
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_sysctls && !secret; i++)
		secret = strstr(n->msg->sysctls[i]->name, "/stable_secret");
	for (size_t i = 0; i < n->msg->n_links && secret && ret == 0; i++)
		if (n->order[i]->has_addr_gen_mode)
			ret = link_set_inet6(n, n->order[i], IN6_ADDR_GEN_MODE_NONE, false);
	return ret;
}

int links_up(struct rnet *n)
{
	_cleanup_close_ int sock = netns_socket(n->ns_fd, AF_INET, SOCK_DGRAM, 0);
	int ret = generate_none(n);

	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = link_up(n, n->order[i]);
	/* Now, as veth switches its carrier when the number of queues changes, even of links that are down.
	 */
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		settings_restore(sock, n->order[i]->name, n->order[i]->settings);
	links_settle(n, sock);
	return ret;
}

/* Does the carrier of @m come with the descriptors of a tun link? */
bool link_is_late(const NetEntry *net, const LinkEntry *m)
{
	if (streq(m->kind, "tun") || !streq(m->kind, "bridge"))
		return streq(m->kind, "tun");
	for (size_t i = 0; i < net->n_links; i++)
		if (net->links[i]->has_master && net->links[i]->master == m->index &&
		    streq(net->links[i]->kind, "tun"))
			return true;
	return false;
}

static bool has_late(const NetEntry *net)
{
	for (size_t i = 0; i < net->n_links; i++)
		if (link_is_late(net, net->links[i]))
			return true;
	return false;
}

/*
 * A link that gets its carrier while IPv6 address generation is on would get an address of the kernel's
 * making. So what the kernel has yet to notice is noticed first: by ports, by what lies on them, by what
 * lies on that.
 */
int links_finish(struct rnet *n, bool late)
{
	_cleanup_close_ int sock = -1;
	int ret;

	if (late && !has_late(n->msg))
		return 0;
	sock = netns_socket(n->ns_fd, AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 3; i++)
		links_settle(n, sock);
	ret = bridges_finish(n, late);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++) {
		const LinkEntry *m = n->msg->links[i];

		if (m->has_addr_gen_mode && link_is_late(n->msg, m) == late)
			ret = link_set_inet6(n, m, m->addr_gen_mode, m->has_token && (m->flags & IFF_UP));
	}
	return ret < 0 ? ret : sysctls_restore_late(n);
}
