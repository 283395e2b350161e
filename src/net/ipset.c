/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's sets of ip_set, ipset(8): header, options, elements with their remaining times,
 * counters and comments, as the kernel lists them (net/netfilter/ipset/ip_set_core.c).
 *
 * Rules of iptables know a set by its number in the namespace. So every set gets the one it had:
 * numbers are given out from the lowest, and gaps are filled by sets that are removed at the end.
 * Elements of a hash may come back in another order; the memory they take may be another.
 */
#include <arpa/inet.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "net/link.h"

#define IPSET_TYPE(cmd) (NFNL_SUBSYS_IPSET << 8 | (cmd))
#define ELEMENTS_SIZE 16384 /* of one message */
#define LIST_MAX 65536 /* bytes of elements the kernel lists at once, at most */

static void begin(struct rtnl_req *q, uint16_t cmd, uint16_t flags, const char *name)
{
	const struct nfgenmsg g = { .nfgen_family = AF_INET };
	const uint8_t protocol = IPSET_PROTOCOL;

	rtnl_begin(q, IPSET_TYPE(cmd), flags, &g, sizeof(g));
	(void)rtnl_put(q, IPSET_ATTR_PROTOCOL, &protocol, sizeof(protocol));
	if (name)
		(void)rtnl_put_str(q, IPSET_ATTR_SETNAME, name);
}

static IpsetEntry *find_entry(const NetEntry *net, const char *name)
{
	for (size_t i = net->n_ipsets; i-- > 0;)
		if (streq(net->ipsets[i]->name, name))
			return net->ipsets[i];
	return NULL;
}

static int copy_payload(ProtobufCBinaryData *ret, const struct nlattr *a)
{
	return bytes_copy(ret, a ? mnl_attr_get_payload(a) : NULL, a ? mnl_attr_get_payload_len(a) : 0);
}

/* The first message about a set. */
static int add_entry(NetEntry *net, const struct nlattr *const *tb, IpsetEntry **ret)
{
	const char *name = rtnl_str(tb[IPSET_ATTR_SETNAME]), *type = rtnl_str(tb[IPSET_ATTR_TYPENAME]);
	IpsetEntry *e = malloc(sizeof(*e));

	if (!e || !GROW(net->ipsets, net->n_ipsets)) {
		free(e);
		return -ENOMEM;
	}
	ipset_entry__init(e);
	net->ipsets[net->n_ipsets++] = e;
	e->name = strdup(name);
	e->type = strdup(type ? type : "");
	if (!e->name || !e->type)
		return -ENOMEM;
	e->revision = rtnl_u8(tb[IPSET_ATTR_REVISION], 0);
	e->family = rtnl_u8(tb[IPSET_ATTR_FAMILY], 0);
	if (!type || !tb[IPSET_ATTR_INDEX] || mnl_attr_get_payload_len(tb[IPSET_ATTR_INDEX]) < 2)
		return -EBADMSG;
	e->index = ntohs(mnl_attr_get_u16(tb[IPSET_ATTR_INDEX]));
	*ret = e;
	return copy_payload(&e->data, tb[IPSET_ATTR_DATA]);
}

static int take_list(NetEntry *net, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1] = { 0 };
	int ret = rtnl_attrs(h, sizeof(struct nfgenmsg), tb, IPSET_ATTR_CMD_MAX);
	const char *name = rtnl_str(tb[IPSET_ATTR_SETNAME]);
	IpsetEntry *e;

	if (ret < 0 || !name)
		return -EBADMSG;
	e = find_entry(net, name);
	if (!e)
		ret = add_entry(net, tb, &e);
	if (ret < 0 || !tb[IPSET_ATTR_ADT] || !mnl_attr_get_payload_len(tb[IPSET_ATTR_ADT]))
		return ret;
	if (!GROW(e->elements, e->n_elements))
		return -ENOMEM;
	e->elements[e->n_elements] = (ProtobufCBinaryData){ 0 };
	return copy_payload(&e->elements[e->n_elements++], tb[IPSET_ATTR_ADT]);
}

int ipset_dump(struct net_dump *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_open_protocol(n->ns->fd, NETLINK_NETFILTER, &nl);
	struct rtnl_req q;

	begin(&q, IPSET_CMD_LIST, 0, NULL);
	if (ret == 0)
		ret = rtnl_list(&nl, &q, &list);
	close_later(take_fd(&nl.fd));
	if (ret == -EOPNOTSUPP || ret == -EINVAL || ret == -EPROTONOSUPPORT)
		return 0; /* a kernel without it */
	for (size_t i = 0; i < list.n && ret == 0; i++)
		ret = take_list(n->msg, list.v[i]);
	return ret < 0 ? log_errno(ret, "network namespace %u: sets of ip_set", n->msg->ns_id) : 0;
}

static bool entry_ok(const NetEntry *net, size_t i)
{
	const IpsetEntry *e = net->ipsets[i];
	bool ok = *e->name && strlen(e->name) < IPSET_MAXNAMELEN && strlen(e->type) < IPSET_MAXNAMELEN &&
		  e->index < IPSET_INVALID_ID && e->revision <= UINT8_MAX && e->family <= UINT8_MAX &&
		  e->data.len < ELEMENTS_SIZE;

	for (size_t j = 0; ok && j < i; j++)
		ok = net->ipsets[j]->index != e->index && !streq(net->ipsets[j]->name, e->name);
	for (size_t j = 0; ok && j < e->n_elements; j++)
		ok = e->elements[j].len <= LIST_MAX;
	return ok;
}

/* Does this kernel know the type in that revision? */
static int check_type(struct rtnl *nl, const IpsetEntry *e)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *answer = NULL;
	const uint8_t family = e->family;
	struct rtnl_req q;
	uint8_t max, min;
	int ret;

	begin(&q, IPSET_CMD_TYPE, 0, NULL);
	ret = rtnl_put_str(&q, IPSET_ATTR_TYPENAME, e->type);
	if (ret == 0)
		ret = rtnl_put(&q, IPSET_ATTR_FAMILY, &family, sizeof(family));
	if (ret == 0)
		ret = rtnl_get(nl, &q, &answer);
	if (ret == 0)
		ret = rtnl_attrs(answer, sizeof(struct nfgenmsg), tb, IPSET_ATTR_CMD_MAX);
	max = rtnl_u8(tb[IPSET_ATTR_REVISION], 0);
	min = rtnl_u8(tb[IPSET_ATTR_REVISION_MIN], max);
	if (ret == 0 && e->revision >= min && e->revision <= max)
		return 0;
	log_error("ip_set %s: this kernel has no type %s of revision %u; load the module ip_set_%s", e->name,
		  e->type, e->revision, e->type);
	return -EOPNOTSUPP;
}

int ipset_plan(struct rnet *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	int ret = n->msg->n_ipsets ? rtnl_open_protocol(-1, NETLINK_NETFILTER, &nl) : 0;

	for (size_t i = 0; i < n->msg->n_ipsets && ret == 0; i++) {
		if (entry_ok(n->msg, i)) {
			ret = check_type(&nl, n->msg->ipsets[i]);
			continue;
		}
		log_error("image: network namespace %u: set %zu of ip_set is damaged", n->msg->ns_id, i);
		return -EBADMSG;
	}
	return ret;
}

/* The kernel asks for a flag at addresses that it does not set itself when it lists them. */
static int put_edited(struct rtnl_req *q, const struct nlattr *a)
{
	const struct nlattr *tb[IPSET_ATTR_IPADDR_MAX + 1] = { 0 };
	struct nlattr *nest;
	int ret = 0;

	if (!(a->nla_type & NLA_F_NESTED))
		return rtnl_put_raw(q, a, a->nla_len);
	if (rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, IPSET_ATTR_IPADDR_MAX) <
	    0)
		return -EBADMSG;
	nest = rtnl_nest(q, mnl_attr_get_type(a));
	if (!nest)
		return -E2BIG;
	for (uint16_t i = IPSET_ATTR_IPADDR_IPV4; i <= IPSET_ATTR_IPADDR_MAX && ret == 0; i++)
		if (tb[i])
			ret = rtnl_put(q, i | NLA_F_NET_BYTEORDER, mnl_attr_get_payload(tb[i]),
				       mnl_attr_get_payload_len(tb[i]));
	mnl_attr_nest_end(&q->h, nest);
	return ret;
}

/* What is in @data as attribute IPSET_ATTR_DATA, without what the kernel only reports. */
static int put_data(struct rtnl_req *q, const void *data, size_t len)
{
	const struct nlattr *tb[IPSET_ATTR_ADT_MAX + 1] = { 0 };
	struct nlattr *nest;
	int ret = rtnl_attrs_raw(data, len, tb, IPSET_ATTR_ADT_MAX);

	nest = ret < 0 ? NULL : rtnl_nest(q, IPSET_ATTR_DATA);
	if (!nest)
		return ret < 0 ? ret : -E2BIG;
	for (size_t i = 1; i <= IPSET_ATTR_ADT_MAX && ret == 0; i++)
		if (tb[i])
			ret = put_edited(q, tb[i]);
	mnl_attr_nest_end(&q->h, nest);
	return ret;
}

/* Of a set's header: the numbers after these are the kernel's own account. */
static int put_options(struct rtnl_req *q, const IpsetEntry *e)
{
	const struct nlattr *tb[IPSET_ATTR_CREATE_MAX + 1] = { 0 };
	struct nlattr *nest;
	int ret = rtnl_attrs_raw(e->data.data, e->data.len, tb, IPSET_ATTR_CREATE_MAX);

	nest = ret < 0 ? NULL : rtnl_nest(q, IPSET_ATTR_DATA);
	if (!nest)
		return ret < 0 ? ret : -E2BIG;
	for (size_t i = 1; i < IPSET_ATTR_ELEMENTS && ret == 0; i++)
		if (tb[i])
			ret = put_edited(q, tb[i]);
	mnl_attr_nest_end(&q->h, nest);
	return ret;
}

static int create(struct rtnl *nl, const IpsetEntry *e, const char *name)
{
	const uint8_t revision = e->revision, family = e->family;
	struct rtnl_req q;
	int ret;

	begin(&q, IPSET_CMD_CREATE, NLM_F_CREATE | NLM_F_EXCL, name);
	ret = rtnl_put_str(&q, IPSET_ATTR_TYPENAME, e->type);
	if (ret == 0)
		ret = rtnl_put(&q, IPSET_ATTR_REVISION, &revision, sizeof(revision));
	if (ret == 0)
		ret = rtnl_put(&q, IPSET_ATTR_FAMILY, &family, sizeof(family));
	if (ret == 0)
		ret = put_options(&q, e);
	return ret == 0 ? rtnl_do(nl, &q) : ret;
}

static void filler_name(char buf[IPSET_MAXNAMELEN], uint32_t index)
{
	snprintf(buf, IPSET_MAXNAMELEN, ".ctcr-%u", index);
}

static const IpsetEntry *by_index(const NetEntry *net, uint32_t index)
{
	for (size_t i = 0; i < net->n_ipsets; i++)
		if (net->ipsets[i]->index == index)
			return net->ipsets[i];
	return NULL;
}

static int destroy(struct rtnl *nl, const char *name)
{
	struct rtnl_req q;

	begin(&q, IPSET_CMD_DESTROY, 0, name);
	return rtnl_do(nl, &q);
}

static int check_index(struct rtnl *nl, const IpsetEntry *e)
{
	const struct nlattr *tb[IPSET_ATTR_CMD_MAX + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *answer = NULL;
	struct rtnl_req q;
	int ret;

	begin(&q, IPSET_CMD_GET_BYNAME, 0, e->name);
	ret = rtnl_get(nl, &q, &answer);
	if (ret == 0)
		ret = rtnl_attrs(answer, sizeof(struct nfgenmsg), tb, IPSET_ATTR_CMD_MAX);
	if (ret < 0)
		return ret;
	return tb[IPSET_ATTR_INDEX] && mnl_attr_get_payload_len(tb[IPSET_ATTR_INDEX]) == 2 &&
			       ntohs(mnl_attr_get_u16(tb[IPSET_ATTR_INDEX])) == e->index
		       ? 0
		       : -ENOTUNIQ;
}

/* All sets, empty, each with its number. */
static int create_all(struct rtnl *nl, const NetEntry *net, uint32_t top, const IpsetEntry **ret_bad)
{
	char filler[IPSET_MAXNAMELEN];
	int ret = 0;

	for (uint32_t i = 0; i <= top && ret == 0; i++) {
		const IpsetEntry *e = by_index(net, i);

		*ret_bad = e;
		filler_name(filler, i);
		ret = create(nl, e ? e : net->ipsets[0], e ? e->name : filler);
		if (ret == 0 && e)
			ret = check_index(nl, e);
	}
	for (uint32_t i = 0; i <= top && ret == 0; i++) {
		filler_name(filler, i);
		if (!by_index(net, i))
			ret = destroy(nl, filler);
	}
	return ret;
}

/* The elements from *@at on that one message has room for. */
static int add_some(struct rtnl *nl, const char *name, const ProtobufCBinaryData *list, size_t *at)
{
	const uint32_t line = 0;
	struct nlattr *nest;
	struct rtnl_req q;
	int ret;

	begin(&q, IPSET_CMD_ADD, NLM_F_CREATE | NLM_F_EXCL, name);
	ret = rtnl_put(&q, IPSET_ATTR_LINENO, &line, sizeof(line));
	nest = ret < 0 ? NULL : rtnl_nest(&q, IPSET_ATTR_ADT);
	if (!nest)
		return -E2BIG;
	while (ret == 0 && *at < list->len && q.h.nlmsg_len < ELEMENTS_SIZE) {
		const struct nlattr *a = (const void *)(list->data + *at);

		if (!mnl_attr_ok(a, (int)(list->len - *at)))
			return -EBADMSG;
		ret = put_data(&q, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		*at += MIN((size_t)MNL_ALIGN(a->nla_len), list->len - *at);
	}
	mnl_attr_nest_end(&q.h, nest);
	return ret == 0 ? rtnl_do(nl, &q) : ret;
}

static int fill(struct rtnl *nl, const IpsetEntry *e)
{
	int ret = 0;

	for (size_t i = 0; i < e->n_elements && ret == 0; i++)
		for (size_t at = 0; at < e->elements[i].len && ret == 0;)
			ret = add_some(nl, e->name, &e->elements[i], &at);
	return ret;
}

int ipset_restore(struct rnet *n)
{
	_cleanup_rtnl_ struct rtnl nl = { .fd = -1 };
	const NetEntry *m = n->msg;
	const IpsetEntry *e = NULL;
	uint32_t top = 0;
	int ret = m->n_ipsets ? rtnl_open_protocol(n->ns_fd, NETLINK_NETFILTER, &nl) : 0;

	for (size_t i = 0; i < m->n_ipsets; i++)
		top = MAX(top, m->ipsets[i]->index);
	if (ret == 0 && m->n_ipsets)
		ret = create_all(&nl, m, top, &e);
	for (size_t i = 0; i < m->n_ipsets && ret == 0; i++) {
		e = m->ipsets[i];
		ret = fill(&nl, e);
	}
	close_later(take_fd(&nl.fd));
	return ret < 0 ? log_errno(ret, "network namespace %u: ip_set %s (%s)", m->ns_id, e ? e->name : "?",
				   e ? e->type : "?")
		       : 0;
}
