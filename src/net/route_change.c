/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumped routes and nexthop objects changed in place, for --ip. Pure. The messages may be of any kind. */
#include <linux/nexthop.h>

#include "net/link.h"
#include "net/route.h"

static int parse(const ProtobufCBinaryData *b, size_t fam_len, const struct nlattr **tb, unsigned int max)
{
	const size_t at = MNL_ALIGN(fam_len);

	if (b->len < fam_len)
		return -EBADMSG;
	return b->len <= at ? 0 : rtnl_attrs_raw(b->data + at, b->len - at, tb, max);
}

/* RTA_GATEWAY of the message's own @family, RTA_VIA of any. */
static int one_gateway(const struct nlattr *const *tb, int own, int family, gateway_fn fn, void *arg)
{
	const size_t len = family == AF_INET ? 4 : 16;
	struct rtvia *via;

	if (own == family && tb[RTA_GATEWAY] && mnl_attr_get_payload_len(tb[RTA_GATEWAY]) == len)
		return fn(arg, mnl_attr_get_payload(tb[RTA_GATEWAY]));
	if (!tb[RTA_VIA] || mnl_attr_get_payload_len(tb[RTA_VIA]) != sizeof(*via) + len)
		return 0;
	via = mnl_attr_get_payload(tb[RTA_VIA]);
	return via->rtvia_family == family ? fn(arg, via->rtvia_addr) : 0;
}

/* The hop at @at of @len bytes of RTA_MULTIPATH, NULL: there is none, or it is damaged. */
static struct rtnexthop *hop_at(char *hops, size_t len, size_t at)
{
	struct rtnexthop *h = (void *)(hops + at);

	if (at > len || len - at < sizeof(*h) || h->rtnh_len < sizeof(*h) || h->rtnh_len > len - at)
		return NULL;
	return h;
}

static int hop_gateways(const struct nlattr *a, int own, uint32_t oif, int family, gateway_fn fn, void *arg)
{
	const size_t len = mnl_attr_get_payload_len(a);
	struct rtnexthop *h;
	int found = 0;

	for (size_t at = 0; (h = hop_at(mnl_attr_get_payload(a), len, at)); at += RTNH_ALIGN(h->rtnh_len)) {
		const struct nlattr *tb[RTA_MAX + 1] = { 0 };
		int ret = rtnl_attrs_raw((char *)h + sizeof(*h), h->rtnh_len - sizeof(*h), tb, RTA_MAX);

		if (ret == 0 && h->rtnh_ifindex == (int)oif)
			ret = one_gateway(tb, own, family, fn, arg);
		if (ret < 0)
			return ret;
		found |= ret;
	}
	return found;
}

int route_gateways(const ProtobufCBinaryData *b, uint32_t oif, int family, gateway_fn fn, void *arg)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rtm = (const void *)b->data;

	if (parse(b, sizeof(*rtm), tb, RTA_MAX) < 0)
		return 0;
	if (tb[RTA_MULTIPATH])
		return hop_gateways(tb[RTA_MULTIPATH], rtm->rtm_family, oif, family, fn, arg);
	return rtnl_u32(tb[RTA_OIF], 0) == oif ? one_gateway(tb, rtm->rtm_family, family, fn, arg) : 0;
}

int nexthop_gateway(const ProtobufCBinaryData *b, uint32_t oif, int family, gateway_fn fn, void *arg)
{
	const struct nlattr *tb[NHA_MAX + 1] = { 0 };
	const struct nhmsg *nh = (const void *)b->data;

	if (parse(b, sizeof(*nh), tb, NHA_MAX) < 0 || nh->nh_family != family ||
	    rtnl_u32(tb[NHA_OIF], 0) != oif || !tb[NHA_GATEWAY] ||
	    mnl_attr_get_payload_len(tb[NHA_GATEWAY]) != (family == AF_INET ? 4 : 16))
		return 0;
	return fn(arg, mnl_attr_get_payload(tb[NHA_GATEWAY]));
}

static bool same_hop(const struct rtnexthop *a, const struct rtnexthop *b)
{
	return a->rtnh_ifindex == b->rtnh_ifindex && a->rtnh_len == b->rtnh_len &&
	       memcmp(a + 1, b + 1, a->rtnh_len - sizeof(*a)) == 0;
}

static bool is_repeated(char *hops, size_t len, size_t at)
{
	const struct rtnexthop *h = hop_at(hops, len, at), *o;

	for (size_t i = 0; i < at && (o = hop_at(hops, len, i)); i += RTNH_ALIGN(o->rtnh_len))
		if (same_hop(o, h))
			return true;
	return false;
}

/* The last hop may end without padding: what is taken out is never followed by less than it says. */
void route_merge_hops(ProtobufCBinaryData *b)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	size_t at = 0;

	if (parse(b, sizeof(struct rtmsg), tb, RTA_MAX) < 0 || !tb[RTA_MULTIPATH])
		return;
	for (;;) {
		struct nlattr *a = (struct nlattr *)tb[RTA_MULTIPATH];
		char *hops = mnl_attr_get_payload(a);
		const size_t len = mnl_attr_get_payload_len(a);
		const struct rtnexthop *h = hop_at(hops, len, at);
		size_t size = h ? RTNH_ALIGN(h->rtnh_len) : 0, end;

		if (!h || at + size > len)
			return;
		if (!is_repeated(hops, len, at)) {
			at += size;
			continue;
		}
		end = (uint8_t *)hops + at + size - b->data;
		memmove(hops + at, hops + at + size, b->len - end);
		a->nla_len -= size;
		b->len -= size;
	}
}

static bool is_network(const ProtobufCBinaryData *b, const uint8_t *prefix, uint32_t len, uint32_t oif)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rtm = (const void *)b->data;

	return parse(b, sizeof(*rtm), tb, RTA_MAX) == 0 && rtm->rtm_family == AF_INET6 &&
	       rtm->rtm_protocol == RTPROT_KERNEL && rtm->rtm_type == RTN_UNICAST &&
	       rtm->rtm_dst_len == len && rtnl_u32(tb[RTA_OIF], 0) == oif && tb[RTA_DST] &&
	       mnl_attr_get_payload_len(tb[RTA_DST]) == 16 &&
	       addr_same_network(mnl_attr_get_payload(tb[RTA_DST]), prefix, len);
}

void route_drop_network(NetEntry *net, const uint8_t *prefix, uint32_t len, uint32_t oif)
{
	size_t kept = 0;

	for (size_t i = 0; i < net->n_routes; i++) {
		if (is_network(&net->routes[i], prefix, len, oif))
			free(net->routes[i].data);
		else
			net->routes[kept++] = net->routes[i];
	}
	net->n_routes = kept;
}

/* The kernel's own routes of the address @old go (it makes those of @new); others get it as source. */
void route_change_source(NetEntry *net, const ProtobufCBinaryData *old, const uint8_t *new)
{
	size_t kept = 0;

	for (size_t i = 0; i < net->n_routes; i++) {
		ProtobufCBinaryData b = net->routes[i];
		const struct nlattr *tb[RTA_MAX + 1] = { 0 };
		const struct rtmsg *rtm = (const void *)b.data;
		const struct nlattr *src;

		src = parse(&b, sizeof(*rtm), tb, RTA_MAX) == 0 ? tb[RTA_PREFSRC] : NULL;
		if (src && mnl_attr_get_payload_len(src) == old->len &&
		    memcmp(mnl_attr_get_payload(src), old->data, old->len) == 0) {
			if (rtm->rtm_protocol == RTPROT_KERNEL) {
				free(b.data);
				continue;
			}
			memcpy(mnl_attr_get_payload(src), new, old->len);
		}
		net->routes[kept++] = b;
	}
	net->n_routes = kept;
}
