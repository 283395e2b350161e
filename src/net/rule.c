/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routing rules and neighbours, as messages sent back.
 *
 * Rules: a new namespace has rules already, and a container may have removed them: those of the
 * image that are missing are added, those it does not have are removed. The rule of priority 0 is shown
 * without a priority and would get another one: it is put in. Ranges of user ids are those of the user
 * namespace that owns the network namespace, and only a task in it may set them: a child of ours is.
 * Neighbours: permanent and externally
 * learned ones, proxies, static forwarding entries of bridges and tunnels; what the kernel learned it
 * learns again.
 */
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "file/table.h"
#include "mnt/child.h"
#include "net/link.h"
#include "net/route.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

int rule_edit(const void *data, size_t len, struct rtnl_req *q)
{
	const struct nlattr *tb[FRA_MAX + 1] = { 0 };
	const size_t at = sizeof(struct fib_rule_hdr);
	struct fib_rule_hdr frh;
	const uint32_t zero = 0;
	int ret;

	if (len < at)
		return -EBADMSG;
	ret = rtnl_attrs_raw((const char *)data + at, len - at, tb, FRA_MAX);
	if (ret < 0)
		return ret;
	memcpy(&frh, data, sizeof(frh));
	frh.flags &= FIB_RULE_INVERT; /* UNRESOLVED, DETACHED are computed */
	rtnl_begin(q, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &frh, sizeof(frh));
	ret = rtnl_put_raw(q, (const char *)data + at, len - at);
	if (ret == 0 && !tb[FRA_PRIORITY])
		ret = rtnl_put(q, FRA_PRIORITY, &zero, 4);
	return ret;
}

struct fib_rule_uid_range *rule_uids(const void *data, size_t len)
{
	const struct nlattr *tb[FRA_MAX + 1] = { 0 };
	const size_t at = sizeof(struct fib_rule_hdr);

	if (len < at || rtnl_attrs_raw((const char *)data + at, len - at, tb, FRA_MAX) < 0 ||
	    !tb[FRA_UID_RANGE] ||
	    mnl_attr_get_payload_len(tb[FRA_UID_RANGE]) < sizeof(struct fib_rule_uid_range))
		return NULL;
	return mnl_attr_get_payload(tb[FRA_UID_RANGE]);
}

/* The kernel showed us the ids of our own user namespace. */
static int uids_inside(const struct net_dump *n, const ProtobufCBinaryData *b)
{
	struct fib_rule_uid_range *uids = n->ns->owner ? rule_uids(b->data, b->len) : NULL;
	int ret;

	if (!uids)
		return 0;
	ret = id_to_ns(n->ns->owner->task->proc, "uid_map", uids->start, &uids->start);
	return ret < 0 ? ret : id_to_ns(n->ns->owner->task->proc, "uid_map", uids->end, &uids->end);
}

int rules_dump(struct net_dump *n)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
		int ret = rtnl_list_family(&n->rt, RTM_GETRULE, families[f], sizeof(struct fib_rule_hdr),
					   &list);

		if (ret == -EAFNOSUPPORT || ret == -EOPNOTSUPP)
			continue;
		for (size_t i = 0; i < list.n && ret == 0; i++) {
			ret = bytes_add(&n->msg->n_rules, &n->msg->rules, list.v[i]);
			if (ret == 0)
				ret = uids_inside(n, &n->msg->rules[n->msg->n_rules - 1]);
		}
		if (ret < 0)
			return log_errno(ret, "network namespace %u: list of rules", n->msg->ns_id);
	}
	return 0;
}

struct as_owner {
	struct rtnl *rt;
	struct rtnl_req *q;
	int user_fd;
};

static int do_as_owner(void *data)
{
	struct as_owner *a = data;

	if (setns(a->user_fd, CLONE_NEWUSER) < 0)
		return -errno;
	return rtnl_do(a->rt, a->q);
}

/* Send @q from the user namespace that owns the network namespace. */
static int send_as_owner(struct rnet *n, struct rtnl_req *q)
{
	_cleanup_close_ int user = RET_NERRNO(ioctl(n->ns_fd, NS_GET_USERNS));
	struct as_owner a = { .rt = &n->rt, .q = q, .user_fd = user };
	struct stat st, own;

	if (user < 0)
		return user;
	if (fstat(user, &st) < 0 || stat("/proc/thread-self/ns/user", &own) < 0)
		return -errno;
	return st.st_ino == own.st_ino && st.st_dev == own.st_dev ? rtnl_do(&n->rt, q)
								  : child_run(do_as_owner, &a);
}

static int rule_send(struct rnet *n, uint16_t type, const void *data, size_t len)
{
	struct rtnl_req q;
	int ret = rule_edit(data, len, &q);

	if (ret == 0) {
		q.h.nlmsg_type = type;
		if (type == RTM_DELRULE)
			q.h.nlmsg_flags = NLM_F_REQUEST;
		ret = rule_uids(data, len) ? send_as_owner(n, &q) : rtnl_do(&n->rt, &q);
	}
	if (ret == 0 || (type == RTM_NEWRULE && ret == -EEXIST))
		return 0;
	return log_errno(ret, "network namespace %u: routing rule%s%s", n->msg->ns_id,
			 n->rt.why[0] ? ": " : "", n->rt.why);
}

static bool same_payload(const struct nlmsghdr *h, const ProtobufCBinaryData *b)
{
	return mnl_nlmsg_get_payload_len(h) == b->len &&
	       memcmp(mnl_nlmsg_get_payload(h), b->data, b->len) == 0;
}

/* @used marks rules of the image that are there. */
static int rules_compare(struct rnet *n, const struct rtnl_msgs *list, bool *used)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t j = 0;
		int ret;

		while (j < n->msg->n_rules && (used[j] || !same_payload(list->v[i], &n->msg->rules[j])))
			j++;
		if (j < n->msg->n_rules) {
			used[j] = true;
			continue;
		}
		ret = rule_send(n, RTM_DELRULE, mnl_nlmsg_get_payload(list->v[i]),
				mnl_nlmsg_get_payload_len(list->v[i]));
		if (ret < 0)
			return ret;
	}
	return 0;
}

int rules_restore(struct rnet *n)
{
	_cleanup_free_ bool *used = calloc(n->msg->n_rules + 1, sizeof(*used));
	int ret;

	if (!used)
		return log_oom();
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };

		ret = rtnl_list_family(&n->rt, RTM_GETRULE, families[f], sizeof(struct fib_rule_hdr), &list);
		if (ret == -EAFNOSUPPORT || ret == -EOPNOTSUPP)
			continue;
		if (ret < 0)
			return log_errno(ret, "network namespace %u: list of rules", n->msg->ns_id);
		ret = rules_compare(n, &list, used);
		if (ret < 0)
			return ret;
	}
	for (size_t i = 0; i < n->msg->n_rules; i++) {
		ret = used[i] ? 0 : rule_send(n, RTM_NEWRULE, n->msg->rules[i].data, n->msg->rules[i].len);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static bool neighbour_kept(const struct ndmsg *nd)
{
	if (nd->ndm_flags & (NTF_PROXY | NTF_EXT_LEARNED))
		return true;
	if (nd->ndm_family == AF_BRIDGE) /* the link's own addresses are PERMANENT too: see fdb_own() */
		return nd->ndm_state & (NUD_PERMANENT | NUD_NOARP);
	return nd->ndm_state & NUD_PERMANENT;
}

/* Resolved by the kernel all the time (managed, since 5.16), or without resolution (NOARP) by hand: the
 * kernel's own NOARP entries are of multicast, broadcast and links that have no addresses. */
static bool neighbour_special(const struct net_dump *n, const struct nlmsghdr *h)
{
	const struct nlattr *tb[NDA_MAX + 1] = { 0 };
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	const LinkEntry *l = link_entry(n->msg, nd->ndm_ifindex);
	const uint8_t *dst, *mac;

	if (!l || rtnl_attrs(h, sizeof(*nd), tb, NDA_MAX) < 0 || !tb[NDA_DST] || nd->ndm_family == AF_BRIDGE)
		return false;
	if (rtnl_u32(tb[NDA_FLAGS_EXT], 0) & NTF_EXT_MANAGED)
		return true;
	if (!(nd->ndm_state & NUD_NOARP) || (l->flags & (IFF_NOARP | IFF_LOOPBACK)) || !tb[NDA_LLADDR] ||
	    !mnl_attr_get_payload_len(tb[NDA_LLADDR]))
		return false;
	dst = mnl_attr_get_payload(tb[NDA_DST]);
	mac = mnl_attr_get_payload(tb[NDA_LLADDR]);
	return !(mac[0] & 1) && (nd->ndm_family == AF_INET ? dst[0] < 224 : dst[0] != 0xff);
}

/* A forwarding entry of a port's own address, which comes with the port. */
static bool fdb_own(struct net_dump *n, const struct nlmsghdr *h)
{
	const struct nlattr *tb[NDA_MAX + 1] = { 0 };
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	const LinkEntry *l = link_entry(n->msg, nd->ndm_ifindex);

	if (!l || rtnl_attrs(h, sizeof(*nd), tb, NDA_MAX) < 0 || !tb[NDA_LLADDR])
		return true;
	/* A driver's own list of multicast addresses (self, permanent): made by the addresses above it, or
	 * by hand (maddr.c). */
	if (!streq(l->kind, "vxlan") && (nd->ndm_flags & NTF_SELF) &&
	    (!mnl_attr_get_payload_len(tb[NDA_LLADDR]) ||
	     (*(const uint8_t *)mnl_attr_get_payload(tb[NDA_LLADDR]) & 1)))
		return true;
	for (size_t i = 0; i < n->msg->n_links; i++) {
		const LinkEntry *o = n->msg->links[i];

		if (o->has_address && o->address.len == mnl_attr_get_payload_len(tb[NDA_LLADDR]) &&
		    memcmp(o->address.data, mnl_attr_get_payload(tb[NDA_LLADDR]), o->address.len) == 0)
			return true;
	}
	return false;
}

static int dump_neighbours(struct net_dump *n, uint8_t family, uint8_t flags)
{
	const struct ndmsg req = { .ndm_family = family, .ndm_flags = flags };
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, RTM_GETNEIGH, 0, &req, sizeof(req));
	ret = rtnl_list(&n->rt, &q, &list);
	if (ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT)
		return 0;
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		const struct ndmsg *nd = mnl_nlmsg_get_payload(list.v[i]);

		if (mnl_nlmsg_get_payload_len(list.v[i]) < sizeof(*nd) ||
		    (!neighbour_kept(nd) && !neighbour_special(n, list.v[i])) ||
		    !link_entry(n->msg, nd->ndm_ifindex))
			continue;
		if (family != AF_BRIDGE)
			ret = bytes_add(&n->msg->n_neighbours, &n->msg->neighbours, list.v[i]);
		else if (!fdb_own(n, list.v[i]))
			ret = bytes_add(&n->msg->n_fdb, &n->msg->fdb, list.v[i]);
	}
	return ret < 0 ? log_errno(ret, "network namespace %u: list of neighbours", n->msg->ns_id) : 0;
}

int neighbours_dump(struct net_dump *n)
{
	int ret = 0;

	for (size_t f = 0; f < ARRAY_SIZE(families) && ret == 0; f++) {
		ret = dump_neighbours(n, families[f], 0);
		if (ret == 0)
			ret = dump_neighbours(n, families[f], NTF_PROXY);
	}
	return ret < 0 ? ret : dump_neighbours(n, AF_BRIDGE, 0);
}

int neighbour_edit(const void *data, size_t len, struct rtnl_req *q)
{
	const struct nlattr *tb[NDA_MAX + 1] = { 0 };
	static const uint16_t keep[] = { NDA_DST,     NDA_LLADDR,  NDA_VLAN,	 NDA_PORT,	NDA_VNI,
					 NDA_IFINDEX, NDA_SRC_VNI, NDA_PROTOCOL, NDA_FLAGS_EXT, NDA_NH_ID };
	struct ndmsg nd;
	int ret;

	if (len < sizeof(nd))
		return -EBADMSG;
	memcpy(&nd, data, sizeof(nd));
	ret = rtnl_attrs_raw((const char *)data + sizeof(nd), len - sizeof(nd), tb, NDA_MAX);
	if (ret < 0)
		return ret;
	if (rtnl_u32(tb[NDA_FLAGS_EXT], 0) & NTF_EXT_MANAGED)
		nd.ndm_state = NUD_NONE; /* it is resolved anew */
	rtnl_begin(q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd, sizeof(nd));
	if (nd.ndm_family == AF_BRIDGE) /* several remotes of one address are entries of their own */
		q->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;
	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	return ret;
}

static int neighbour_send(struct rnet *n, const ProtobufCBinaryData *b)
{
	const LinkEntry *l = NULL;
	struct rtnl_req q;
	struct ndmsg *nd;
	int ret = neighbour_edit(b->data, b->len, &q);

	if (ret == 0) {
		nd = mnl_nlmsg_get_payload(&q.h);
		l = link_entry(n->msg, nd->ndm_ifindex);
		/* A bridge's own entries are shown as those of a port, and those without that it is of the
		 * master. */
		if (l && nd->ndm_family == AF_BRIDGE && !(nd->ndm_flags & NTF_SELF))
			nd->ndm_flags |= streq(l->kind, "bridge") && !l->has_master ? NTF_SELF : NTF_MASTER;
		ret = rtnl_do(&n->rt, &q);
	}
	if (ret == 0 || ret == -EEXIST)
		return 0;
	return log_errno(ret, "link %s: neighbour or forwarding entry%s%s", l ? l->name : "?",
			 n->rt.why[0] ? ": " : "", n->rt.why);
}

int neighbours_restore(struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_neighbours && ret == 0; i++)
		ret = neighbour_send(n, &n->msg->neighbours[i]);
	for (size_t i = 0; i < n->msg->n_fdb && ret == 0; i++)
		ret = neighbour_send(n, &n->msg->fdb[i]);
	return ret;
}
