/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --ip: addresses become others, and with them what was made for them: sources of routes, gateways that
 * cannot be reached from the new network, in plain routes, in each hop of multipath routes and in nexthop
 * objects. Hops that become equal become one. Rules, neighbours and packet filters stay as they are.
 */
#include <arpa/inet.h>

#include "base/log.h"
#include "base/parse.h"
#include "net/link.h"
#include "net/route.h"

/* What --ip asks for. */
struct wanted {
	int family;
	uint8_t addr[16], gateway[16];
	uint32_t len;
	bool has_gateway;
};

bool addr_same_network(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	const uint8_t mask = len % 8 ? 0xff << (8 - len % 8) : 0;

	return memcmp(a, b, len / 8) == 0 && (!mask || ((a[len / 8] ^ b[len / 8]) & mask) == 0);
}

/* "ADDRESS/LEN" */
int addr_parse_text(const char *text, int *ret_family, uint8_t ret_addr[16], uint32_t *ret_len)
{
	char buf[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : 0;
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	uint8_t addr[16] = { 0 };
	uint32_t len;

	if (!slash || n >= sizeof(buf) || parse_u32(slash + 1, 10, &len) < 0 ||
	    len > (family == AF_INET ? 32 : 128))
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (inet_pton(family, buf, addr) != 1)
		return -EINVAL;
	*ret_family = family;
	memcpy(ret_addr, addr, 16);
	*ret_len = len;
	return 0;
}

static void set_broadcast(AddrEntry *a, const uint8_t addr[16])
{
	uint32_t v, mask = a->prefixlen ? htonl(UINT32_MAX << (32 - a->prefixlen)) : 0;

	memcpy(&v, addr, 4);
	v |= ~mask;
	if (a->has_broadcast)
		memcpy(a->broadcast.data, &v, 4);
}

static int note_moved(struct net_store *s, uint32_t ns_id, const AddrEntry *a, const uint8_t new[16])
{
	struct moved_addr m = { .ns_id = ns_id, .index = a->index, .family = a->family };

	if (!GROW(s->moved, s->n_moved))
		return log_oom();
	memcpy(m.old, own_address(a)->data, own_address(a)->len);
	memcpy(m.new, new, own_address(a)->len);
	s->moved[s->n_moved++] = m;
	return 0;
}

/* Was it put here by --ip? */
static bool is_new(const struct net_store *s, uint32_t ns_id, const AddrEntry *a)
{
	for (size_t i = 0; i < s->n_moved; i++)
		if (s->moved[i].ns_id == ns_id && s->moved[i].family == (int)a->family &&
		    s->moved[i].index == a->index &&
		    memcmp(s->moved[i].new, own_address(a)->data, own_address(a)->len) == 0)
			return true;
	return false;
}

bool net_address_moved(const struct restore *r, uint32_t ns_id, int family, uint8_t *addr)
{
	size_t len = family == AF_INET ? 4 : 16;

	for (size_t i = 0; r->net && i < r->net->n_moved; i++) {
		const struct moved_addr *m = &r->net->moved[i];

		if (m->ns_id != ns_id || m->family != family || memcmp(m->old, addr, len) != 0)
			continue;
		memcpy(addr, m->new, len);
		return memcmp(m->old, m->new, len) != 0;
	}
	return false;
}

/* "ADDRESS/LEN[@GATEWAY]" */
static int wanted_parse(const char *text, struct wanted *ret)
{
	const char *at = strchr(text, '@');
	_cleanup_free_ char *own = at ? strndup(text, at - text) : strdup(text);

	if (!own)
		return -ENOMEM;
	*ret = (struct wanted){ .has_gateway = at };
	if (at && inet_pton(strchr(at + 1, ':') ? AF_INET6 : AF_INET, at + 1, ret->gateway) != 1)
		return -EINVAL;
	return addr_parse_text(own, &ret->family, ret->addr, &ret->len);
}

struct change {
	const AddrEntry *old;
	const struct wanted *w;
	const char *link;
};

/* A gateway in the network of the address that goes: the new one, if it cannot be reached any more. */
static int change_gateway(void *arg, uint8_t *gateway)
{
	const struct change *c = arg;
	char text[INET6_ADDRSTRLEN];

	if (!addr_same_network(gateway, own_address(c->old)->data, c->old->prefixlen) ||
	    addr_same_network(gateway, c->w->addr, c->w->len))
		return 0;
	if (c->w->has_gateway) {
		memcpy(gateway, c->w->gateway, own_address(c->old)->len);
		return 1;
	}
	log_error("--ip %s=...: the gateway %s of a route is not in the new network; give --ip "
		  "%s=ADDRESS/LEN@GATEWAY",
		  c->link, inet_ntop(c->w->family, gateway, text, sizeof(text)) ? text : "?", c->link);
	return -EINVAL;
}

static int change_gateways(NetEntry *net, const AddrEntry *old, const struct wanted *w, const char *link)
{
	struct change c = { .old = old, .w = w, .link = link };
	int ret = 0;

	for (size_t i = 0; i < net->n_nexthops && ret >= 0; i++)
		ret = nexthop_gateway(&net->nexthops[i], old->index, w->family, change_gateway, &c);
	for (size_t i = 0; i < net->n_routes && ret >= 0; i++) {
		ret = route_gateways(&net->routes[i], old->index, w->family, change_gateway, &c);
		if (ret > 0)
			route_merge_hops(&net->routes[i]);
	}
	return MIN(ret, 0);
}

/* The kernel's route to the network of @old goes with its last address there: IPv6 has no source in it. */
static void drop_network(NetEntry *net, const AddrEntry *old)
{
	for (size_t i = 0; i < net->n_addrs; i++) {
		const AddrEntry *a = net->addrs[i];

		if (a != old && a->index == old->index && a->family == old->family &&
		    a->prefixlen == old->prefixlen &&
		    addr_same_network(own_address(a)->data, own_address(old)->data, old->prefixlen))
			return;
	}
	route_drop_network(net, own_address(old)->data, old->prefixlen, old->index);
}

/* --ip: the first global address of that family on the link that is not changed yet becomes this one. */
static int change_address(struct net_store *s, NetEntry *net, const struct external *want)
{
	struct wanted w;
	int ret = wanted_parse(want->value, &w);

	if (ret < 0) {
		log_error("--ip %s=%s: ADDRESS/LEN[@GATEWAY] is needed", want->key, want->value);
		return ret;
	}
	for (size_t i = 0; i < net->n_addrs; i++) {
		AddrEntry *a = net->addrs[i];
		const LinkEntry *l = link_entry(net, a->index);

		if (!l || !streq(l->name, want->key) || (int)a->family != w.family ||
		    a->scope != RT_SCOPE_UNIVERSE || is_new(s, net->ns_id, a))
			continue;
		ret = change_gateways(net, a, &w, want->key);
		if (ret == 0)
			ret = note_moved(s, net->ns_id, a, w.addr);
		if (ret < 0)
			return ret;
		route_change_source(net, own_address(a), w.addr);
		if (w.family == AF_INET6)
			drop_network(net, a);
		a->prefixlen = w.len;
		memcpy(a->address.data, w.addr, a->address.len);
		if (a->has_local)
			memcpy(a->local.data, w.addr, a->local.len);
		if (w.family == AF_INET)
			set_broadcast(a, w.addr);
		a->has_valid = a->has_preferred = false;
		return 0;
	}
	log_error("--ip %s=%s: the container has no link %s with such an address, or not so many", want->key,
		  want->value, want->key);
	return -EINVAL;
}

int readdress(struct restore *r, struct rnet *n)
{
	int ret = 0;

	if (n != r->net->nets) /* --ip names links of the container's first namespace */
		return 0;
	for (size_t i = 0; i < r->opt->n_addresses && ret == 0; i++)
		ret = change_address(r->net, n->msg, &r->opt->addresses[i]);
	n->changed = r->opt->n_addresses > 0;
	return ret;
}
