/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, IPv4 and IPv6.
 *
 * Put on links that are up, in the kernel's order (the first of a subnet is the primary one). IPv6
 * addresses are added without duplicate detection, which would make them unusable for seconds, and
 * then given their own flags; but those that were not through with it, or had failed, go through it again.
 * Addresses the kernel made by itself and the image has not are removed.
 * Temporary addresses (RFC 8981) only the kernel can make (inet6_rtm_newaddr() masks the flag), with random
 * numbers, and it makes one when their parent is added. That one is for new connections. Those of the
 * image that a socket is bound to stay beside it, deprecated, until they expire; the others are gone. So
 * there is never more than one besides those in use. If the kernel makes none (use_tempaddr is off by now)
 * all stay as they are.
 * Cannot be set by a program, and is lost: IFA_F_STABLE_PRIVACY (mode and secret are kept), time stamps.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "net/link.h"

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

/* As /proc/net/tcp6 and the like name it: four words in the machine's order. */
static void proc_text(const uint8_t *addr, char buf[40])
{
	uint32_t w[4];

	memcpy(w, addr, sizeof(w));
	snprintf(buf, 40, " %08X%08X%08X%08X:", w[0], w[1], w[2], w[3]);
}

/* Is a socket bound to it? Connections without a descriptor count too. What cannot be read counts as yes. */
static bool is_in_use(const struct net_dump *n, const AddrEntry *m)
{
	static const char *const tables[] = { "net/tcp6", "net/udp6", "net/udplite6", "net/raw6" };
	char hex[40];

	if (m->address.len != 16 || !n->ns || !n->ns->task)
		return true;
	proc_text(m->address.data, hex);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		_cleanup_free_ char *text = NULL;
		int ret = read_text_at(n->ns->task->proc, tables[i], &text);

		if ((ret < 0 && ret != -ENOENT) || (ret >= 0 && strstr(text, hex)))
			return true;
	}
	return false;
}

static bool is_temporary(const AddrEntry *m)
{
	return m->family == AF_INET6 && (m->flags & IFA_F_TEMPORARY);
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
		if (ret < 0)
			break;
		if (is_temporary(m->addrs[m->n_addrs])) {
			m->addrs[m->n_addrs]->has_in_use = true;
			m->addrs[m->n_addrs]->in_use = is_in_use(n, m->addrs[m->n_addrs]);
		}
		m->n_addrs++;
	}
	return ret < 0 ? log_errno(ret, "network namespace %u: list of addresses", n->msg->ns_id) : 0;
}

const ProtobufCBinaryData *own_address(const AddrEntry *m)
{
	return m->has_local ? &m->local : &m->address;
}

static const char *addr_text(const AddrEntry *m, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(m->family, own_address(m)->data, buf, INET6_ADDRSTRLEN) ? buf : "?";
}

int addr_check(const NetEntry *net, const AddrEntry *m)
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
	bool again = (m->flags & IFA_F_TENTATIVE) && !(m->flags & IFA_F_OPTIMISTIC);
	bool without = m->family == AF_INET6 && !(flags & IFA_F_NODAD) && !again;
	char text[INET6_ADDRSTRLEN];
	struct rtnl_req q;
	int ret = addr_request(m, without ? flags | IFA_F_NODAD : flags, &q);

	if (ret == 0)
		ret = rtnl_do(&n->rt, &q);
	if (ret == 0 && without) {
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

static bool same_network(const AddrEntry *a, const AddrEntry *b)
{
	return a->index == b->index && a->family == b->family && a->prefixlen == b->prefixlen &&
	       addr_same_network(a->address.data, b->address.data, a->prefixlen);
}

static int addr_remove_if_new(struct rnet *n, const AddrEntry *m, void *arg)
{
	char text[INET6_ADDRSTRLEN];
	struct rtnl_req q;
	int ret;

	if (!link_entry(n->msg, m->index))
		return 0; /* of a link that waits here, or a fallback device */
	for (size_t i = 0; i < n->msg->n_addrs; i++)
		if (same_address(n->msg->addrs[i], m) ||
		    (is_temporary(m) && is_temporary(n->msg->addrs[i]) && same_network(n->msg->addrs[i], m)))
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

/* @fn on each address of the namespace. */
static int each_address(struct rnet *n, int (*fn)(struct rnet *n, const AddrEntry *m, void *arg), void *arg)
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
		ret = fn(n, m, arg);
		addr_entry__free_unpacked(m, NULL);
	}
	return ret;
}

struct temporary {
	const AddrEntry *m;
	bool replaced;
};

static int find_replacement(struct rnet *n, const AddrEntry *m, void *arg)
{
	struct temporary *t = arg;

	if (is_temporary(m) && same_network(m, t->m) && !same_address(m, t->m))
		t->replaced = true;
	return 0;
}

/* It brings no route to its network along: its parent has that. */
static int add_temporary(struct rnet *n, const AddrEntry *m)
{
	struct temporary t = { .m = m };
	AddrEntry a = *m;
	int ret = each_address(n, find_replacement, &t);

	if (ret < 0 || (t.replaced && m->has_in_use && !m->in_use))
		return ret;
	a.flags |= IFA_F_NOPREFIXROUTE;
	if (t.replaced) {
		a.valid = m->has_valid ? m->valid : UINT32_MAX;
		a.has_valid = a.has_preferred = true;
		a.preferred = 0;
	}
	return addr_add(n, &a);
}

static int add_inet6(struct rnet *n, const LinkEntry *l)
{
	int ret = 0;

	for (int temporary = 0; temporary < 2; temporary++)
		for (size_t i = n->msg->n_addrs; i > 0 && ret == 0; i--) {
			const AddrEntry *m = n->msg->addrs[i - 1];

			if (m->family != AF_INET6 || m->index != l->index || is_temporary(m) != temporary)
				continue;
			ret = temporary ? add_temporary(n, m) : addr_add(n, m);
		}
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
	return ret < 0 ? ret : each_address(n, addr_remove_if_new, NULL);
}

int addrs_plan(struct restore *r, struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_addrs && ret == 0; i++)
		ret = addr_check(n->msg, n->msg->addrs[i]);
	return ret < 0 ? ret : readdress(r, n);
}
