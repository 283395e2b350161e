/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters of traffic control: u32 (net/sched/cls_u32.c) with mirred actions; others are refused.
 *
 * Each u32 filter list (a priority at a place) has a root table, whose id the kernel chooses: it is made
 * again by making, in the order of ids, as many lists as it takes. A listing shows under each priority the
 * tables of all lists of that priority in the discipline (ingress and egress of clsact); asked for the table
 * TC_U32_ROOT the kernel tells which one is a list's own. Order in the image: a list (handle 0) and its root
 * table, for all; other tables; nodes, which may point to tables.
 */
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>

#include "base/log.h"
#include "net/tc.h"

#define MIRRED_BLOCKID 4 /* since 6.8 */
#define FIRST_ROOT 0x80000000u /* of a discipline's first list */
#define ROOT_STEP 0x100000u
#define SPARE_PRIO 0xfffeu

/* A filter list and its root table. */
struct proto {
	struct nlmsghdr *h; /* of the image's owner: tc_set */
	struct nlmsghdr *root;
	uint32_t handle; /* of the root table */
};

struct protos {
	struct proto *v;
	size_t n;
};

static void protos_done(struct protos *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].root);
	free(p->v);
}

static int nested(const struct nlattr *a, const struct nlattr **tb, unsigned int max)
{
	return a ? rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, max) : 0;
}

/* The one action of an attribute of a list of them. */
static const char *action_kind(const struct nlattr *a)
{
	const struct nlattr *tb[TCA_ACT_MAX + 1] = { 0 };

	return nested(a, tb, TCA_ACT_MAX) < 0 ? NULL : rtnl_str(tb[TCA_ACT_KIND]);
}

const char *filter_refuse(const struct tc_msg *m)
{
	const struct nlattr *tb[TCA_U32_MAX + 1] = { 0 }, *a;

	if (!streq(m->kind, "u32"))
		return "which is not supported; tc filter del";
	if (nested(m->tb[TCA_OPTIONS], tb, TCA_U32_MAX) < 0 || tb[TCA_U32_POLICE])
		return "which has a policer, which is not supported; tc filter del";
	if (!tb[TCA_U32_ACT])
		return NULL;
	mnl_attr_for_each_nested(a, tb[TCA_U32_ACT])
	{
		const char *kind = action_kind(a);

		if (!kind || !streq(kind, "mirred"))
			return "which has an action other than mirred, which is not supported; tc filter del";
	}
	return NULL;
}

/* Do the two belong to the same discipline, or block? Its tables have ids of one row. */
static bool same_group(const struct tcmsg *a, const struct tcmsg *b)
{
	if (a->tcm_ifindex != b->tcm_ifindex)
		return false;
	return a->tcm_ifindex == TC_BLOCK ? a->tcm_block_index == b->tcm_block_index
					  : TC_H_MAJ(a->tcm_parent) == TC_H_MAJ(b->tcm_parent);
}

static bool same_list(const struct tc_msg *a, const struct tc_msg *b)
{
	return a->tc->tcm_ifindex == b->tc->tcm_ifindex && a->tc->tcm_parent == b->tc->tcm_parent &&
	       a->tc->tcm_info == b->tc->tcm_info &&
	       rtnl_u32(a->tb[TCA_CHAIN], 0) == rtnl_u32(b->tb[TCA_CHAIN], 0);
}

/* Begin a request about the list @m. */
static int list_request(struct rtnl_req *q, uint16_t type, uint16_t flags, const struct tc_msg *m)
{
	const struct tcmsg tc = { .tcm_ifindex = m->tc->tcm_ifindex,
				  .tcm_parent = m->tc->tcm_parent,
				  .tcm_info = m->tc->tcm_info,
				  .tcm_handle = type == RTM_GETTFILTER ? TC_U32_ROOT : 0 };
	int ret;

	rtnl_begin(q, type, flags, &tc, sizeof(tc));
	ret = tc_put(q, m, TCA_KIND);
	return ret < 0 ? ret : tc_put(q, m, TCA_CHAIN);
}

static int get_root(struct rtnl *rt, const struct tc_msg *m, struct nlmsghdr **ret)
{
	struct rtnl_req q;
	int err = list_request(&q, RTM_GETTFILTER, 0, m);

	return err < 0 ? err : rtnl_get(rt, &q, ret);
}

static uint32_t msg_handle(const struct nlmsghdr *h)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(h);

	return mnl_nlmsg_get_payload_len(h) < sizeof(*tc) ? 0 : tc->tcm_handle;
}

static int by_root(const void *a, const void *b)
{
	const struct proto *x = a, *y = b;

	return x->handle < y->handle ? -1 : x->handle > y->handle;
}

static int find_lists(struct net_dump *n, const struct tc_set *s, struct protos *p)
{
	for (size_t i = 0; i < s->filters.n; i++) {
		struct nlmsghdr *root = NULL;
		struct tc_msg m;
		int ret = tc_parse_msg(s->filters.v[i], &m);

		if (ret == 0 && m.tc->tcm_handle)
			continue;
		if (ret == 0)
			ret = get_root(&n->rt, &m, &root);
		if (ret < 0)
			return ret;
		if (!GROW(p->v, p->n)) {
			free(root);
			return -ENOMEM;
		}
		p->v[p->n++] = (struct proto){ s->filters.v[i], root, msg_handle(root) };
	}
	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), by_root);
	return 0;
}

/* Is @m, a table or a node, of its list, and not shown before? */
static bool is_own(const struct tc_set *s, size_t i, const struct tc_msg *m, const struct protos *p)
{
	for (size_t j = 0; j < p->n; j++) {
		struct tc_msg list;

		if (tc_parse_msg(p->v[j].h, &list) == 0 && same_group(m->tc, list.tc) &&
		    TC_U32_HTID(m->tc->tcm_handle) == p->v[j].handle)
			return same_list(m, &list) && m->tc->tcm_handle != p->v[j].handle;
	}
	for (size_t j = 0; j < i; j++) {
		const struct tcmsg *o = mnl_nlmsg_get_payload(s->filters.v[j]);

		if (o->tcm_handle == m->tc->tcm_handle && same_group(m->tc, o))
			return false;
	}
	return true;
}

static int add_all(struct net_dump *n, const struct tc_set *s, const struct protos *p, bool tables)
{
	int ret = 0;

	for (size_t i = 0; i < s->filters.n && ret == 0; i++) {
		struct tc_msg m;

		ret = tc_parse_msg(s->filters.v[i], &m);
		if (ret == 0 && m.tc->tcm_handle && !TC_U32_KEY(m.tc->tcm_handle) == tables &&
		    is_own(s, i, &m, p))
			ret = tc_add(n->msg, s->filters.v[i]);
	}
	return ret;
}

int filters_dump(struct net_dump *n, const struct tc_set *s)
{
	_cleanup_(protos_done) struct protos p = { 0 };
	int ret = find_lists(n, s, &p);

	if (ret < 0)
		return log_errno(ret, "network namespace %u: traffic filters", n->msg->ns_id);
	for (size_t i = 0; i < p.n && ret == 0; i++) {
		ret = tc_add(n->msg, p.v[i].h);
		if (ret == 0)
			ret = tc_add(n->msg, p.v[i].root);
	}
	if (ret == 0)
		ret = add_all(n, s, &p, true);
	return ret < 0 ? ret : add_all(n, s, &p, false);
}

/* TCA_ACT_OPTIONS of mirred: without times. */
static int put_mirred(struct rtnl_req *q, const struct nlattr *a)
{
	const struct nlattr *tb[MIRRED_BLOCKID + 1] = { 0 };
	struct nlattr *nest = rtnl_nest(q, TCA_ACT_OPTIONS);
	int ret = nest ? nested(a, tb, MIRRED_BLOCKID) : -E2BIG;

	if (ret == 0 && tb[TCA_MIRRED_PARMS])
		ret = rtnl_put_raw(q, tb[TCA_MIRRED_PARMS], tb[TCA_MIRRED_PARMS]->nla_len);
	if (ret == 0 && tb[MIRRED_BLOCKID])
		ret = rtnl_put_raw(q, tb[MIRRED_BLOCKID], tb[MIRRED_BLOCKID]->nla_len);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	return ret;
}

static int put_action(struct rtnl_req *q, const struct nlattr *a)
{
	static const uint16_t keep[] = { TCA_ACT_KIND, TCA_ACT_COOKIE, TCA_ACT_FLAGS, TCA_ACT_HW_STATS };
	const struct nlattr *tb[TCA_ACT_MAX + 1] = { 0 };
	struct nlattr *nest = rtnl_nest(q, mnl_attr_get_type(a));
	int ret = nest ? nested(a, tb, TCA_ACT_MAX) : -E2BIG;

	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	if (ret == 0)
		ret = put_mirred(q, tb[TCA_ACT_OPTIONS]);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	return ret;
}

static int put_actions(struct rtnl_req *q, const struct nlattr *list)
{
	struct nlattr *nest = rtnl_nest(q, TCA_U32_ACT);
	const struct nlattr *a;
	int ret = nest ? 0 : -E2BIG;

	mnl_attr_for_each_nested(a, list) if (ret == 0) ret = put_action(q, a);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	return ret;
}

static int put_u32(struct rtnl_req *q, const struct nlattr *options)
{
	static const uint16_t keep[] = { TCA_U32_CLASSID, TCA_U32_HASH,	 TCA_U32_LINK, TCA_U32_DIVISOR,
					 TCA_U32_SEL,	  TCA_U32_INDEV, TCA_U32_MARK };
	const struct nlattr *tb[TCA_U32_MAX + 1] = { 0 };
	struct nlattr *nest = rtnl_nest(q, TCA_OPTIONS);
	uint32_t flags;
	int ret = nest ? nested(options, tb, TCA_U32_MAX) : -E2BIG;

	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	flags = rtnl_u32(tb[TCA_U32_FLAGS], 0) & (TCA_CLS_FLAGS_SKIP_HW | TCA_CLS_FLAGS_SKIP_SW);
	if (ret == 0 && flags)
		ret = rtnl_put(q, TCA_U32_FLAGS, &flags, 4);
	if (ret == 0 && tb[TCA_U32_ACT])
		ret = put_actions(q, tb[TCA_U32_ACT]);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	return ret;
}

int filter_edit(const void *data, size_t len, struct rtnl_req *q)
{
	struct tc_msg m;
	int ret = tc_parse(data, len, &m);

	if (ret < 0 || !streq(m.kind, "u32"))
		return ret < 0 ? ret : -EBADMSG;
	rtnl_begin(q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, m.tc, sizeof(*m.tc));
	ret = tc_put(q, &m, TCA_KIND);
	if (ret == 0)
		ret = tc_put(q, &m, TCA_CHAIN);
	return ret < 0 ? ret : put_u32(q, m.tb[TCA_OPTIONS]);
}

static int send_list(struct rnet *n, uint16_t type, const struct tc_msg *m)
{
	struct rtnl_req q;
	int ret = list_request(&q, type, type == RTM_NEWTFILTER ? NLM_F_CREATE | NLM_F_EXCL : 0, m);

	return ret < 0 ? ret : tc_do(n, &q, "filter list");
}

/* Is it the first of its discipline? Then its root table would be the first one, too. */
static bool is_first(const struct rnet *n, size_t i, const struct tc_msg *m)
{
	for (size_t j = 0; j < i; j++) {
		const TrafficEntry *e = n->msg->traffic[j];

		if (e->type == RTM_NEWTFILTER && same_group((const void *)e->payload.data, m->tc))
			return false;
	}
	return true;
}

/* Make the list; one whose table has too low an id is made again, while another one keeps the row. */
static int make_list(struct rnet *n, const struct tc_msg *m, uint32_t want)
{
	for (uint32_t tries = 0; tries <= 0x800; tries++) {
		_cleanup_free_ struct nlmsghdr *root = NULL;
		int ret = send_list(n, RTM_NEWTFILTER, m);

		if (ret == 0)
			ret = get_root(&n->rt, m, &root);
		if (ret < 0)
			return ret;
		if (msg_handle(root) == want)
			return 0;
		ret = send_list(n, RTM_DELTFILTER, m);
		if (ret < 0)
			return ret;
	}
	log_error("traffic filter table %x: cannot be made again", want >> 20);
	return -EBADMSG;
}

static int list_restore(struct rnet *n, size_t i, const struct tc_msg *m)
{
	const bool spare = is_first(n, i, m);
	struct tcmsg other = *m->tc;
	struct tc_msg dummy = *m, root;
	uint32_t want;
	int ret = i + 1 < n->msg->n_traffic ? 0 : -EBADMSG;

	if (ret == 0)
		ret = tc_parse(n->msg->traffic[i + 1]->payload.data, n->msg->traffic[i + 1]->payload.len,
			       &root);
	if (ret < 0 || !same_list(m, &root))
		return log_errno(-EBADMSG, "image: traffic filters");
	want = root.tc->tcm_handle;
	other.tcm_info = TC_H_MAKE(SPARE_PRIO << 16, TC_H_MIN(m->tc->tcm_info));
	dummy.tc = &other;
	if (!spare || want == FIRST_ROOT)
		return make_list(n, m, want);
	ret = send_list(n, RTM_NEWTFILTER, &dummy);
	if (ret == 0)
		ret = make_list(n, m, want);
	return ret < 0 ? ret : send_list(n, RTM_DELTFILTER, &dummy);
}

/* The entry before a root table is its list. */
static bool is_root(const struct rnet *n, size_t i, const struct tc_msg *m)
{
	struct tc_msg before;

	return i > 0 && n->msg->traffic[i - 1]->type == RTM_NEWTFILTER &&
	       tc_parse(n->msg->traffic[i - 1]->payload.data, n->msg->traffic[i - 1]->payload.len, &before) ==
		       0 &&
	       !before.tc->tcm_handle && same_list(&before, m);
}

int filter_restore(struct rnet *n, size_t i)
{
	const TrafficEntry *e = n->msg->traffic[i];
	struct rtnl_req q;
	struct tc_msg m;
	int ret = tc_parse(e->payload.data, e->payload.len, &m);

	if (ret == 0 && !m.tc->tcm_handle)
		return list_restore(n, i, &m);
	if (ret == 0 && is_root(n, i, &m))
		return 0;
	if (ret == 0)
		ret = filter_edit(e->payload.data, e->payload.len, &q);
	return ret < 0 ? log_errno(ret, "image: network namespace %u: a traffic filter", n->msg->ns_id)
		       : tc_do(n, &q, "filter");
}
