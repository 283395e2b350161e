/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes and nexthop objects, of all tables, as messages sent back with the edits they need.
 *
 * Edited: flags the kernel computes (dead, linkdown, offload), the age (RTA_CACHEINFO: only the time
 * to expiry is kept), what a nexthop object says itself. Not sent: IPv6 local, anycast and multicast
 * routes of the kernel, which would be doubled with another metric. Routes by a gateway follow those
 * without. Routes the kernel made by itself and the image has not are removed.
 * Multicast routing is refused (mroute.c). MPLS routes are not dumped.
 */
#include <linux/lwtunnel.h>
#include <linux/nexthop.h>

#include "base/log.h"
#include "base/map.h"
#include "net/link.h"
#include "net/route.h"

#define USER_HZ 100

static int parse(const void *data, size_t len, size_t fam_len, const struct nlattr **tb, unsigned int max)
{
	size_t at = MNL_ALIGN(fam_len);

	if (len < fam_len)
		return -EBADMSG;
	return len <= at ? 0 : rtnl_attrs_raw((const char *)data + at, len - at, tb, max);
}

/* @a was copied to the end of @q: its contents there. */
static char *copied(struct rtnl_req *q, const struct nlattr *a)
{
	return (char *)&q->h + q->h.nlmsg_len - MNL_ALIGN(a->nla_len) + MNL_ATTR_HDRLEN;
}

#define IP_OPTS LWTUNNEL_IP_OPTS /* LWTUNNEL_IP6_OPTS is the same number */

/* The first of @len bytes of attributes, NULL at the end or where they are damaged. */
static struct nlattr *attr_at(char *p, size_t len)
{
	struct nlattr *a = (void *)p;

	return len >= MNL_ATTR_HDRLEN && a->nla_len >= MNL_ATTR_HDRLEN && a->nla_len <= len ? a : NULL;
}

/* Tunnel options (of geneve, vxlan, erspan) are shown without the flag of nests that is demanded. */
static void mark_nests(char *p, size_t len, bool all)
{
	struct nlattr *a;

	for (; (a = attr_at(p, len)); p += MIN((size_t)MNL_ALIGN(a->nla_len), len)) {
		if (all || mnl_attr_get_type(a) == IP_OPTS) {
			if (!all)
				mark_nests(p + MNL_ATTR_HDRLEN, a->nla_len - MNL_ATTR_HDRLEN, true);
			a->nla_type |= NLA_F_NESTED;
		}
		len -= MIN((size_t)MNL_ALIGN(a->nla_len), len);
	}
}

static bool is_ip_tunnel(const struct nlattr *type)
{
	const uint16_t v = type && mnl_attr_get_payload_len(type) >= 2 ? mnl_attr_get_u16(type) : 0;

	return v == LWTUNNEL_ENCAP_IP || v == LWTUNNEL_ENCAP_IP6;
}

/* The encapsulation among @len bytes of attributes of a hop. */
static int mark_hop(char *p, size_t len)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	int ret = rtnl_attrs_raw(p, len, tb, RTA_MAX);

	if (ret == 0 && tb[RTA_ENCAP] && is_ip_tunnel(tb[RTA_ENCAP_TYPE]))
		mark_nests(p + ((const char *)tb[RTA_ENCAP] - p) + MNL_ATTR_HDRLEN,
			   mnl_attr_get_payload_len(tb[RTA_ENCAP]), false);
	return ret;
}

/* The flags of each hop cleared of what the kernel computes. */
static int put_multipath(struct rtnl_req *q, const struct nlattr *a)
{
	size_t len = mnl_attr_get_payload_len(a);
	struct rtnexthop *h;
	char *p;
	int ret = rtnl_put_raw(q, a, a->nla_len);

	if (ret < 0)
		return ret;
	p = copied(q, a);
	while (len >= sizeof(*h)) {
		h = (void *)p;
		if (h->rtnh_len < sizeof(*h) || h->rtnh_len > len)
			return -EBADMSG;
		h->rtnh_flags &= RTNH_F_ONLINK;
		ret = mark_hop(p + sizeof(*h), h->rtnh_len - sizeof(*h));
		if (ret < 0)
			return ret;
		if ((size_t)RTNH_ALIGN(h->rtnh_len) >= len)
			break;
		p += RTNH_ALIGN(h->rtnh_len);
		len -= RTNH_ALIGN(h->rtnh_len);
	}
	return 0;
}

static int put_expiry(struct rtnl_req *q, const struct nlattr *a)
{
	const struct rta_cacheinfo *ci = mnl_attr_get_payload(a);
	uint32_t seconds;

	if (mnl_attr_get_payload_len(a) < sizeof(*ci) || ci->rta_expires <= 0)
		return 0;
	seconds = MAX(ci->rta_expires / USER_HZ, 1);
	return rtnl_put(q, RTA_EXPIRES, &seconds, 4);
}

/* What the nexthop object says itself. */
static bool of_nexthop(unsigned int type)
{
	return type == RTA_OIF || type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH ||
	       type == RTA_ENCAP || type == RTA_ENCAP_TYPE || type == RTA_FLOW;
}

static int put_route_attrs(struct rtnl_req *q, const struct nlattr *const *tb)
{
	int ret = 0;

	for (unsigned int i = 1; i <= RTA_MAX && ret == 0; i++) {
		if (!tb[i] || i == RTA_EXPIRES || (tb[RTA_NH_ID] && of_nexthop(i)))
			continue;
		if (i == RTA_CACHEINFO)
			ret = put_expiry(q, tb[i]);
		else if (i == RTA_MULTIPATH)
			ret = put_multipath(q, tb[i]);
		else
			ret = rtnl_put_raw(q, tb[i], tb[i]->nla_len);
		if (ret == 0 && i == RTA_ENCAP && is_ip_tunnel(tb[RTA_ENCAP_TYPE]))
			mark_nests(copied(q, tb[i]), mnl_attr_get_payload_len(tb[i]), false);
	}
	return ret;
}

int route_edit(const void *data, size_t len, struct rtnl_req *q)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	struct rtmsg rtm;
	int ret = parse(data, len, sizeof(rtm), tb, RTA_MAX);

	if (ret < 0)
		return ret;
	memcpy(&rtm, data, sizeof(rtm));
	if (rtm.rtm_family != AF_INET && rtm.rtm_family != AF_INET6)
		return -EBADMSG;
	if (rtm.rtm_flags & RTM_F_CLONED)
		return 1;
	if (rtm.rtm_family == AF_INET6 && rtm.rtm_protocol == RTPROT_KERNEL && rtm.rtm_type != RTN_UNICAST)
		return 1;
	rtm.rtm_flags &= RTNH_F_ONLINK;
	/* Of equal IPv4 routes the first one counts: append, to keep the order. */
	rtnl_begin(q, RTM_NEWROUTE, NLM_F_CREATE | (rtm.rtm_family == AF_INET ? NLM_F_APPEND : 0), &rtm,
		   sizeof(rtm));
	return put_route_attrs(q, tb);
}

uint32_t route_of_kernel(const ProtobufCBinaryData *b, const uint8_t *prefix, uint8_t len)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rtm = (const void *)b->data;

	if (b->len < sizeof(*rtm) || rtm->rtm_family != AF_INET6 || rtm->rtm_protocol != RTPROT_KERNEL ||
	    rtm->rtm_dst_len != len || parse(rtm, b->len, sizeof(*rtm), tb, RTA_MAX) < 0 || !tb[RTA_DST] ||
	    mnl_attr_get_payload_len(tb[RTA_DST]) != 16 ||
	    memcmp(mnl_attr_get_payload(tb[RTA_DST]), prefix, 16) != 0)
		return 0;
	return rtnl_u32(tb[RTA_OIF], 0);
}

static bool multipath_has_gateway(const struct nlattr *a)
{
	size_t len = mnl_attr_get_payload_len(a);
	const char *p = mnl_attr_get_payload(a);

	while (len >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *h = (const void *)p;

		if (h->rtnh_len < sizeof(*h) || h->rtnh_len > len)
			return false;
		if (h->rtnh_len > sizeof(*h))
			return true; /* any attribute: gateway, via, encapsulation */
		if ((size_t)RTNH_ALIGN(h->rtnh_len) >= len)
			break;
		p += RTNH_ALIGN(h->rtnh_len);
		len -= RTNH_ALIGN(h->rtnh_len);
	}
	return false;
}

bool route_has_gateway(const void *data, size_t len)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };

	if (parse(data, len, sizeof(struct rtmsg), tb, RTA_MAX) < 0)
		return false;
	return tb[RTA_GATEWAY] || tb[RTA_VIA] || tb[RTA_NH_ID] ||
	       (tb[RTA_MULTIPATH] && multipath_has_gateway(tb[RTA_MULTIPATH]));
}

bool nexthop_is_group(const void *data, size_t len)
{
	const struct nlattr *tb[NHA_MAX + 1] = { 0 };

	return parse(data, len, sizeof(struct nhmsg), tb, NHA_MAX) == 0 && tb[NHA_GROUP];
}

/* The settable part of NHA_RES_GROUP. */
static int put_resilient(struct rtnl_req *q, const struct nlattr *a)
{
	const struct nlattr *tb[NHA_RES_GROUP_MAX + 1] = { 0 };
	struct nlattr *nest;
	int ret = rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, NHA_RES_GROUP_MAX);

	if (ret < 0)
		return ret;
	nest = mnl_attr_nest_start_check(&q->h, sizeof(*q), NHA_RES_GROUP);
	if (!nest)
		return -E2BIG;
	for (unsigned int i = NHA_RES_GROUP_BUCKETS; i <= NHA_RES_GROUP_UNBALANCED_TIMER && ret == 0; i++)
		if (tb[i])
			ret = rtnl_put_raw(q, tb[i], tb[i]->nla_len);
	mnl_attr_nest_end(&q->h, nest);
	return ret;
}

int nexthop_edit(const void *data, size_t len, struct rtnl_req *q)
{
	static const uint16_t keep[] = { NHA_ID,  NHA_GROUP,   NHA_GROUP_TYPE, NHA_BLACKHOLE,
					 NHA_OIF, NHA_GATEWAY, NHA_ENCAP_TYPE, NHA_FDB };
	const struct nlattr *tb[NHA_MAX + 1] = { 0 };
	struct nhmsg nh;
	int ret = parse(data, len, sizeof(nh), tb, NHA_MAX);

	if (ret < 0)
		return ret;
	memcpy(&nh, data, sizeof(nh));
	nh.nh_scope = 0;
	nh.nh_flags &= RTNH_F_ONLINK;
	rtnl_begin(q, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, &nh, sizeof(nh));
	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	if (ret == 0 && tb[NHA_ENCAP]) /* shown without the flag that is demanded */
		ret = rtnl_put(q, NHA_ENCAP | NLA_F_NESTED, mnl_attr_get_payload(tb[NHA_ENCAP]),
			       mnl_attr_get_payload_len(tb[NHA_ENCAP]));
	if (ret == 0 && tb[NHA_ENCAP] && is_ip_tunnel(tb[NHA_ENCAP_TYPE]))
		mark_nests(copied(q, tb[NHA_ENCAP]), mnl_attr_get_payload_len(tb[NHA_ENCAP]), false);
	if (ret == 0 && tb[NHA_RES_GROUP])
		ret = put_resilient(q, tb[NHA_RES_GROUP]);
	return ret;
}

static int dump_list(struct net_dump *n, uint16_t type, uint8_t family, size_t fam_len, const char *what)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, type, family, fam_len, &list);

	if (ret == -EOPNOTSUPP)
		return 0; /* the kernel has none of these */
	if (ret < 0)
		return log_errno(ret, "network namespace %u: list of %s", n->msg->ns_id, what);
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		if (type == RTM_GETNEXTHOP)
			ret = bytes_add(&n->msg->n_nexthops, &n->msg->nexthops, list.v[i]);
		else
			ret = bytes_add(&n->msg->n_routes, &n->msg->routes, list.v[i]);
	}
	return ret;
}

int routes_dump(struct net_dump *n)
{
	int ret = dump_list(n, RTM_GETNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg), "nexthops");

	if (ret == 0)
		ret = dump_list(n, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), "IPv4 routes");
	if (ret == 0)
		ret = dump_list(n, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), "IPv6 routes");
	return ret;
}

typedef int (*edit_fn)(const void *data, size_t len, struct rtnl_req *q);

/* Edit and send one; one that exists is as good as made. */
static int send_back(struct rnet *n, const ProtobufCBinaryData *b, edit_fn edit, const char *what)
{
	struct rtnl_req q;
	int ret = edit(b->data, b->len, &q);

	if (ret == 1)
		return 0;
	if (ret < 0)
		return log_errno(ret, "image: network namespace %u: a %s is damaged", n->msg->ns_id, what);
	ret = rtnl_do(&n->rt, &q);
	if (ret == 0 || ret == -EEXIST)
		return 0;
	return log_errno(ret, "network namespace %u: %s%s%s", n->msg->ns_id, what, n->rt.why[0] ? ": " : "",
			 n->rt.why);
}

int nexthops_restore(struct rnet *n)
{
	int ret = 0;

	for (int group = 0; group < 2; group++)
		for (size_t i = 0; i < n->msg->n_nexthops && ret == 0; i++) {
			const ProtobufCBinaryData *b = &n->msg->nexthops[i];

			if (nexthop_is_group(b->data, b->len) == group)
				ret = send_back(n, b, nexthop_edit, "nexthop");
		}
	return ret;
}

/* What tells a route from others, whatever its age and state. */
static const uint16_t keys[] = { RTA_DST, RTA_SRC, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTA_GATEWAY };

/* A route of the image under a number that equal routes share. */
struct keyed {
	uint64_t key;
	const ProtobufCBinaryData *route;
};

static uint64_t route_key(const void *data, size_t len)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rtm = data;
	uint64_t key;

	if (parse(data, len, sizeof(*rtm), tb, RTA_MAX) < 0)
		return 0;
	key = map_mix(rtm->rtm_family << 8 | rtm->rtm_dst_len, rtm->rtm_type);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (size_t j = 0; tb[keys[i]] && j < mnl_attr_get_payload_len(tb[keys[i]]); j++)
			key = map_mix(key, ((const uint8_t *)mnl_attr_get_payload(tb[keys[i]]))[j]);
	return key;
}

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static struct keyed *routes_by_key(const NetEntry *m)
{
	struct keyed *v = calloc(m->n_routes + 1, sizeof(*v));

	for (size_t i = 0; v && i < m->n_routes; i++)
		v[i] = (struct keyed){ route_key(m->routes[i].data, m->routes[i].len), &m->routes[i] };
	if (v)
		qsort(v, m->n_routes, sizeof(*v), by_key);
	return v;
}

/* The two messages are of the same route. */
static bool same_route(const void *a, size_t a_len, const void *b, size_t b_len)
{
	const struct nlattr *ta[RTA_MAX + 1] = { 0 }, *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *ra = a, *rb = b;

	if (parse(a, a_len, sizeof(*ra), ta, RTA_MAX) < 0 || parse(b, b_len, sizeof(*rb), tb, RTA_MAX) < 0 ||
	    ra->rtm_family != rb->rtm_family || ra->rtm_dst_len != rb->rtm_dst_len ||
	    ra->rtm_src_len != rb->rtm_src_len || ra->rtm_tos != rb->rtm_tos || ra->rtm_type != rb->rtm_type)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct nlattr *x = ta[keys[i]], *y = tb[keys[i]];

		if (!x != !y || (x && (x->nla_len != y->nla_len || memcmp(x, y, x->nla_len) != 0)))
			return false;
	}
	return true;
}

static bool in_image(const struct keyed *v, size_t n, const void *data, size_t len)
{
	const struct keyed key = { .key = route_key(data, len) },
			   *k = bsearch(&key, v, n, sizeof(*v), by_key);

	while (k && k > v && k[-1].key == key.key)
		k--;
	for (; k && k < v + n && k->key == key.key; k++)
		if (same_route(data, len, k->route->data, k->route->len))
			return true;
	return false;
}

static int remove_if_new(struct rnet *n, const struct keyed *v, const struct nlmsghdr *h)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(h);
	size_t len = mnl_nlmsg_get_payload_len(h);
	struct rtnl_req q;
	int ret;

	if (len < sizeof(*rtm) || rtm->rtm_protocol != RTPROT_KERNEL || rtm->rtm_type != RTN_UNICAST ||
	    in_image(v, n->msg->n_routes, rtm, len))
		return 0;
	ret = route_edit(rtm, len, &q);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	q.h.nlmsg_type = RTM_DELROUTE;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	ret = rtnl_do(&n->rt, &q);
	return ret < 0 && ret != -ESRCH
		       ? log_errno(ret, "network namespace %u: remove a route the kernel made", n->msg->ns_id)
		       : 0;
}

static int remove_new(struct rnet *n)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_cleanup_free_ struct keyed *v = routes_by_key(n->msg);
	int ret = v ? 0 : log_oom();

	for (size_t f = 0; f < ARRAY_SIZE(families) && ret == 0; f++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };

		ret = rtnl_list_family(&n->rt, RTM_GETROUTE, families[f], sizeof(struct rtmsg), &list);
		for (size_t i = 0; i < list.n && ret == 0; i++)
			ret = remove_if_new(n, v, list.v[i]);
	}
	return ret;
}

static bool is_multicast(const void *data, size_t len)
{
	const struct rtmsg *rtm = data;

	return len >= sizeof(*rtm) && rtm->rtm_family == AF_INET6 && rtm->rtm_type == RTN_MULTICAST &&
	       rtm->rtm_protocol == RTPROT_KERNEL && !(rtm->rtm_flags & RTM_F_CLONED);
}

static int multicast_send(struct rnet *n, uint16_t type, const ProtobufCBinaryData *b)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	struct rtmsg rtm;
	struct rtnl_req q;
	int ret = parse(b->data, b->len, sizeof(rtm), tb, RTA_MAX);

	if (ret < 0)
		return ret;
	memcpy(&rtm, b->data, sizeof(rtm));
	rtm.rtm_flags = 0;
	rtnl_begin(&q, type, type == RTM_NEWROUTE ? NLM_F_CREATE : 0, &rtm, sizeof(rtm));
	ret = put_route_attrs(&q, tb);
	return ret < 0 ? ret : rtnl_do(&n->rt, &q);
}

/*
 * The kernel makes ff00::/8 for each link when its carrier comes, in an order of its own; multicast
 * that names no link goes by the first. Taken away and put back one by one they get their old order.
 */
static int order_multicast(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_routes; i++) {
		const ProtobufCBinaryData *b = &n->msg->routes[i];
		int ret;

		if (!is_multicast(b->data, b->len))
			continue;
		ret = multicast_send(n, RTM_DELROUTE, b);
		if (ret == -ESRCH)
			continue; /* no carrier yet */
		if (ret == 0)
			ret = multicast_send(n, RTM_NEWROUTE, b);
		if (ret < 0)
			return log_errno(ret, "network namespace %u: IPv6 multicast route", n->msg->ns_id);
	}
	return 0;
}

int routes_restore(struct rnet *n)
{
	int ret = 0;

	for (int gateway = 0; gateway < 2; gateway++)
		for (size_t i = 0; i < n->msg->n_routes && ret == 0; i++) {
			const ProtobufCBinaryData *b = &n->msg->routes[i];

			if (route_has_gateway(b->data, b->len) == gateway)
				ret = send_back(n, b, route_edit, "route");
		}
	if (ret == 0 && !n->changed)
		ret = remove_new(n);
	return ret < 0 ? ret : order_multicast(n);
}

bool route_only_by(const ProtobufCBinaryData *b, uint32_t oif)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };

	return parse(b->data, b->len, sizeof(struct rtmsg), tb, RTA_MAX) == 0 &&
	       rtnl_u32(tb[RTA_OIF], 0) == oif && !tb[RTA_MULTIPATH] && !tb[RTA_NH_ID];
}

void route_set_oif(ProtobufCBinaryData *b, uint32_t oif)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };

	if (parse(b->data, b->len, sizeof(struct rtmsg), tb, RTA_MAX) == 0 && tb[RTA_OIF] &&
	    mnl_attr_get_payload_len(tb[RTA_OIF]) == 4)
		memcpy(mnl_attr_get_payload(tb[RTA_OIF]), &oif, 4);
}

void routes_try(struct rnet *n, const char *where)
{
	for (int gateway = 0; gateway < 2; gateway++)
		for (size_t i = 0; i < n->msg->n_routes; i++) {
			const ProtobufCBinaryData *b = &n->msg->routes[i];
			struct rtnl_req q;
			int ret;

			if (route_has_gateway(b->data, b->len) != gateway)
				continue;
			ret = route_edit(b->data, b->len, &q);
			if (ret == 0)
				ret = rtnl_do(&n->rt, &q);
			if (ret < 0 && ret != -EEXIST)
				log_warn("%s: a route by the other end is not put back: %s", where,
					 n->rt.why[0] ? n->rt.why : strerror(-ret));
		}
}
