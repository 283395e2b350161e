/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, IPv4 and IPv6.
 *
 * Put on links that are up, in the kernel's order (the first of a subnet is the primary one). IPv6
 * addresses are added without duplicate detection, which would make them unusable for seconds, and
 * then given their own flags. Addresses the kernel made by itself and the image has not are removed.
 * Cannot be set by a program, and is lost: IFA_F_TEMPORARY, IFA_F_STABLE_PRIVACY, IFA_F_DADFAILED, time
 * stamps.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>

#include "base/log.h"
#include "base/parse.h"
#include "net/link.h"
#include "net/route.h"

#define IFA_TOP IFA_PROTO
/* What inet6_rtm_newaddr() takes; IPv4 ignores what it does not know. */
#define USER_FLAGS \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

static int take_bytes(const struct nlattr *a, protobuf_c_boolean *has, ProtobufCBinaryData *ret)
{
	if (has)
		*has = true;
	return bytes_copy(ret, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
}

static int dump_attrs(const struct nlattr *const *tb, AddrEntry *m)
{
	const struct ifa_cacheinfo *ci = NULL;
	int ret;

	if (!tb[IFA_ADDRESS] && !tb[IFA_LOCAL])
		return -EBADMSG;
	ret = take_bytes(tb[IFA_ADDRESS] ? tb[IFA_ADDRESS] : tb[IFA_LOCAL], NULL, &m->address);
	if (ret == 0 && tb[IFA_LOCAL])
		ret = take_bytes(tb[IFA_LOCAL], &m->has_local, &m->local);
	if (ret == 0 && tb[IFA_BROADCAST])
		ret = take_bytes(tb[IFA_BROADCAST], &m->has_broadcast, &m->broadcast);
	if (ret == 0 && rtnl_str(tb[IFA_LABEL])) {
		m->label = strdup(rtnl_str(tb[IFA_LABEL]));
		ret = m->label ? 0 : -ENOMEM;
	}
	if (tb[IFA_CACHEINFO] && mnl_attr_get_payload_len(tb[IFA_CACHEINFO]) >= sizeof(*ci))
		ci = mnl_attr_get_payload(tb[IFA_CACHEINFO]);
	/* An address that is valid for ever may be deprecated. */
	if (ci && (ci->ifa_prefered != UINT32_MAX || ci->ifa_valid != UINT32_MAX)) {
		m->has_preferred = m->has_valid = true;
		m->preferred = ci->ifa_prefered;
		m->valid = ci->ifa_valid;
	}
	m->has_metric = tb[IFA_RT_PRIORITY] != NULL;
	m->metric = rtnl_u32(tb[IFA_RT_PRIORITY], 0);
	m->has_proto = tb[IFA_PROTO] != NULL;
	m->proto = rtnl_u8(tb[IFA_PROTO], 0);
	return ret;
}

static int addr_parse(const struct nlmsghdr *h, AddrEntry **ret)
{
	const struct nlattr *tb[IFA_TOP + 1] = { 0 };
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);
	int err = rtnl_attrs(h, sizeof(*ifa), tb, IFA_TOP);
	AddrEntry *m;

	if (err < 0)
		return err;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	addr_entry__init(m);
	m->index = ifa->ifa_index;
	m->family = ifa->ifa_family;
	m->prefixlen = ifa->ifa_prefixlen;
	m->scope = ifa->ifa_scope;
	m->flags = rtnl_u32(tb[IFA_FLAGS], ifa->ifa_flags);
	err = dump_attrs(tb, m);
	if (err < 0) {
		addr_entry__free_unpacked(m, NULL);
		return err;
	}
	*ret = m;
	return 0;
}

static bool is_inet(const struct nlmsghdr *h)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);

	return mnl_nlmsg_get_payload_len(h) >= sizeof(*ifa) &&
	       (ifa->ifa_family == AF_INET || ifa->ifa_family == AF_INET6);
}

int addrs_dump(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), &list);

	for (size_t i = 0; i < list.n && ret == 0; i++) {
		NetEntry *m = n->msg;

		if (!is_inet(list.v[i]))
			continue;
		if (!GROW(m->addrs, m->n_addrs))
			return log_oom();
		ret = addr_parse(list.v[i], &m->addrs[m->n_addrs]);
		if (ret == 0)
			m->n_addrs++;
	}
	return ret < 0 ? log_errno(ret, "network namespace %u: list of addresses", n->msg->ns_id) : 0;
}

static const ProtobufCBinaryData *own_address(const AddrEntry *m)
{
	return m->has_local ? &m->local : &m->address;
}

static const char *addr_text(const AddrEntry *m, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(m->family, own_address(m)->data, buf, INET6_ADDRSTRLEN) ? buf : "?";
}

static int addr_check(const NetEntry *net, const AddrEntry *m)
{
	size_t len = m->family == AF_INET ? 4 : m->family == AF_INET6 ? 16 : 0;

	if (len && m->address.len == len && (!m->has_local || m->local.len == len) &&
	    (!m->has_broadcast || m->broadcast.len == len) && m->prefixlen <= len * 8 && m->scope <= 255 &&
	    (!m->label || strlen(m->label) < 16) && link_entry(net, m->index))
		return 0;
	log_error("image: network namespace %u: an address of link %u is damaged", net->ns_id, m->index);
	return -EBADMSG;
}

static int addr_request(const AddrEntry *m, uint32_t flags, struct rtnl_req *q)
{
	const struct ifaddrmsg ifa = { .ifa_family = m->family,
				       .ifa_prefixlen = m->prefixlen,
				       .ifa_scope = m->scope,
				       .ifa_index = m->index };
	struct ifa_cacheinfo ci = { .ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX };
	uint8_t proto = m->proto;
	int ret;

	rtnl_begin(q, RTM_NEWADDR, NLM_F_CREATE, &ifa, sizeof(ifa));
	ret = rtnl_put(q, IFA_ADDRESS, m->address.data, m->address.len);
	if (ret == 0 && (m->has_local || m->family == AF_INET))
		ret = rtnl_put(q, IFA_LOCAL, own_address(m)->data, own_address(m)->len);
	if (ret == 0 && m->has_broadcast)
		ret = rtnl_put(q, IFA_BROADCAST, m->broadcast.data, m->broadcast.len);
	if (ret == 0 && m->label)
		ret = rtnl_put_str(q, IFA_LABEL, m->label);
	if (m->has_valid) {
		ci.ifa_prefered = m->has_preferred ? m->preferred : m->valid;
		ci.ifa_valid = m->valid ? m->valid : 1;
	}
	if (ret == 0)
		ret = rtnl_put(q, IFA_CACHEINFO, &ci, sizeof(ci));
	if (ret == 0)
		ret = rtnl_put(q, IFA_FLAGS, &flags, 4);
	if (ret == 0 && m->has_metric)
		ret = rtnl_put(q, IFA_RT_PRIORITY, &m->metric, 4);
	if (ret == 0 && m->has_proto)
		ret = rtnl_put(q, IFA_PROTO, &proto, 1);
	return ret;
}

static int addr_add(struct rnet *n, const AddrEntry *m)
{
	uint32_t flags = m->flags & USER_FLAGS;
	char text[INET6_ADDRSTRLEN];
	struct rtnl_req q;
	int ret = addr_request(m, m->family == AF_INET6 ? flags | IFA_F_NODAD : flags, &q);

	if (ret == 0)
		ret = rtnl_do(&n->rt, &q);
	if (ret == 0 && m->family == AF_INET6 && !(flags & IFA_F_NODAD)) {
		ret = addr_request(m, flags, &q);
		q.h.nlmsg_flags |= NLM_F_REPLACE;
		if (ret == 0)
			ret = rtnl_do(&n->rt, &q);
	}
	if (ret == 0 || ret == -EEXIST)
		return 0;
	return log_errno(ret, "link %s: address %s/%u%s%s", link_entry(n->msg, m->index)->name,
			 addr_text(m, text), m->prefixlen, n->rt.why[0] ? ": " : "", n->rt.why);
}

static bool same_address(const AddrEntry *a, const AddrEntry *b)
{
	return a->index == b->index && a->family == b->family && a->prefixlen == b->prefixlen &&
	       a->address.len == b->address.len &&
	       memcmp(a->address.data, b->address.data, a->address.len) == 0 &&
	       memcmp(own_address(a)->data, own_address(b)->data, a->address.len) == 0;
}

static int addr_remove_if_new(struct rnet *n, const AddrEntry *m)
{
	char text[INET6_ADDRSTRLEN];
	struct rtnl_req q;
	int ret;

	if (!link_entry(n->msg, m->index))
		return 0; /* of a link that waits here, or a fallback device */
	for (size_t i = 0; i < n->msg->n_addrs; i++)
		if (same_address(n->msg->addrs[i], m))
			return 0;
	ret = addr_request(m, 0, &q);
	q.h.nlmsg_type = RTM_DELADDR;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	if (ret == 0)
		ret = rtnl_do(&n->rt, &q);
	return ret < 0 ? log_errno(ret, "link %s: remove address %s", link_entry(n->msg, m->index)->name,
				   addr_text(m, text))
		       : 0;
}

static int remove_new(struct rnet *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), &list);

	for (size_t i = 0; i < list.n && ret == 0; i++) {
		AddrEntry *m = NULL;

		if (!is_inet(list.v[i]))
			continue;
		ret = addr_parse(list.v[i], &m);
		if (ret < 0)
			break;
		ret = addr_remove_if_new(n, m);
		addr_entry__free_unpacked(m, NULL);
	}
	return ret;
}

static int add_inet6(struct rnet *n, const LinkEntry *l)
{
	int ret = 0;

	for (size_t i = n->msg->n_addrs; i > 0 && ret == 0; i--)
		if (n->msg->addrs[i - 1]->family == AF_INET6 && n->msg->addrs[i - 1]->index == l->index)
			ret = addr_add(n, n->msg->addrs[i - 1]);
	return ret;
}

/* IPv4 lists the oldest first, IPv6 the newest (of a scope), and link by link. */
int addrs_restore(struct rnet *n)
{
	static const uint8_t link_local[16] = { 0xfe, 0x80 };
	_cleanup_free_ const LinkEntry **v = links_by_route(n, link_local, 64);
	int ret = 0;

	if (!v)
		return log_oom();
	for (size_t i = 0; i < n->msg->n_addrs && ret == 0; i++)
		if (n->msg->addrs[i]->family == AF_INET)
			ret = addr_add(n, n->msg->addrs[i]);
	for (size_t i = 0; i < n->msg->n_links && ret == 0; i++)
		ret = add_inet6(n, v[i]);
	return ret < 0 ? ret : remove_new(n);
}

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

/* Routes by a gateway in the network of the address that goes: by the new one, if it cannot be reached. */
static int change_gateway(NetEntry *net, const AddrEntry *old, const struct wanted *w, const char *link)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t *gateway;

	for (size_t i = 0; i < net->n_routes; i++) {
		gateway = route_gateway(&net->routes[i], old->index, w->family);
		if (!gateway || !addr_same_network(gateway, own_address(old)->data, old->prefixlen) ||
		    addr_same_network(gateway, w->addr, w->len))
			continue;
		if (w->has_gateway) {
			memcpy(gateway, w->gateway, own_address(old)->len);
			continue;
		}
		log_error("--ip %s=...: the gateway %s of a route is not in the new network; give --ip "
			  "%s=ADDRESS/LEN@GATEWAY",
			  link, inet_ntop(w->family, gateway, text, sizeof(text)) ? text : "?", link);
		return -EINVAL;
	}
	return 0;
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
		ret = change_gateway(net, a, &w, want->key);
		if (ret == 0)
			ret = note_moved(s, net->ns_id, a, w.addr);
		if (ret < 0)
			return ret;
		route_change_source(net, own_address(a), w.addr);
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

int addrs_plan(struct restore *r, struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_addrs && ret == 0; i++)
		ret = addr_check(n->msg, n->msg->addrs[i]);
	if (n != r->net->nets) /* --ip names links of the container's first namespace */
		return ret;
	for (size_t i = 0; i < r->opt->n_addresses && ret == 0; i++)
		ret = change_address(r->net, n->msg, &r->opt->addresses[i]);
	n->changed = r->opt->n_addresses > 0;
	return ret;
}
