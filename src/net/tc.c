/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic control of the container's links: queueing disciplines, classes, filters (tc_u32.c).
 *
 * rtnetlink shows each with its kind's own attributes (TCA_OPTIONS), which for the kinds in the table can
 * be sent back as they are. What has no handle is the kernel's default, and comes by itself. The image
 * holds them in the order in which they are made: parents first. They are made before the links go up.
 * Other kinds are refused, and size tables (stab: the kernel does not show them). Lost: statistics, tokens
 * saved up, queued packets, rate estimators, chains and actions that no filter uses. The host's end of a
 * pair is the host's: what it has is warned of.
 */
#include <linux/if.h>
#include <stdio.h>

#include "base/log.h"
#include "net/tc.h"

#define CLSACT_INGRESS 0xfff2 /* TC_H_MIN_INGRESS */
#define CLSACT_EGRESS 0xfff3

static const char *const kinds[] = { "htb",	   "tbf",     "pfifo",	 "bfifo",  "pfifo_head_drop",
				     "pfifo_fast", "noqueue", "ingress", "clsact", "mq" };

static bool is_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (streq(kinds[i], name))
			return true;
	return false;
}

/* Has it classes that are made, not only shown? */
static bool has_classes(const char *kind)
{
	return streq(kind, "htb");
}

int tc_parse(const void *data, size_t len, struct tc_msg *ret)
{
	struct tc_msg m = { .tc = data };
	const size_t at = MNL_ALIGN(sizeof(*m.tc));
	int err = len < sizeof(*m.tc) ? -EBADMSG : 0;

	if (err == 0 && len > at)
		err = rtnl_attrs_raw((const char *)data + at, len - at, m.tb, TC_TOP);
	if (err < 0)
		return err;
	m.kind = rtnl_str(m.tb[TCA_KIND]);
	if (!m.kind)
		m.kind = "";
	*ret = m;
	return 0;
}

int tc_parse_msg(const struct nlmsghdr *h, struct tc_msg *ret)
{
	return tc_parse(mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h), ret);
}

int tc_put(struct rtnl_req *q, const struct tc_msg *m, uint16_t type)
{
	return m->tb[type] ? rtnl_put_raw(q, m->tb[type], m->tb[type]->nla_len) : 0;
}

static void set_done(struct tc_set *s)
{
	rtnl_msgs_done(&s->qdiscs);
	rtnl_msgs_done(&s->classes);
	rtnl_msgs_done(&s->filters);
}

/* All of @type below @parent, appended to @to. */
static int list(struct rtnl *rt, uint16_t type, int ifindex, uint32_t parent, struct rtnl_msgs *to)
{
	const struct tcmsg tc = { .tcm_ifindex = ifindex, .tcm_parent = parent };
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, type, 0, &tc, sizeof(tc));
	ret = rtnl_list(rt, &q, &m);
	if (ret == -EOPNOTSUPP)
		return 0; /* a kernel without */
	for (size_t i = 0; i < m.n && ret == 0; i++) {
		if (!GROW(to->v, to->n))
			return -ENOMEM;
		to->v[to->n++] = TAKE_PTR(m.v[i]);
	}
	return ret;
}

static bool listed(const struct rtnl_msgs *m, size_t n, uint32_t block)
{
	for (size_t i = 0; i < n; i++) {
		const struct tcmsg *tc = mnl_nlmsg_get_payload(m->v[i]);

		if (tc->tcm_ifindex == TC_BLOCK && tc->tcm_block_index == block)
			return true;
	}
	return false;
}

/* Filters at one place; a block that several places share is taken once. */
static int list_filters(struct rtnl *rt, int ifindex, uint32_t parent, struct rtnl_msgs *to)
{
	const size_t had = to->n;
	const struct tcmsg *tc;
	int ret = list(rt, RTM_GETTFILTER, ifindex, parent, to);

	if (ret < 0 || to->n == had)
		return ret;
	tc = mnl_nlmsg_get_payload(to->v[had]);
	if (tc->tcm_ifindex != TC_BLOCK || !listed(to, had, tc->tcm_block_index))
		return 0;
	while (to->n > had)
		free(to->v[--to->n]);
	return 0;
}

static int collect_below(struct rtnl *rt, const struct tc_msg *m, struct tc_set *s)
{
	const uint32_t handle = m->tc->tcm_handle;
	const int ifindex = m->tc->tcm_ifindex;
	const size_t had = s->classes.n;
	int ret;

	if (streq(m->kind, "clsact")) {
		ret = list_filters(rt, ifindex, handle | CLSACT_INGRESS, &s->filters);
		return ret < 0 ? ret : list_filters(rt, ifindex, handle | CLSACT_EGRESS, &s->filters);
	}
	ret = list_filters(rt, ifindex, handle, &s->filters);
	if (ret < 0 || !has_classes(m->kind))
		return ret;
	ret = list(rt, RTM_GETTCLASS, ifindex, handle, &s->classes);
	for (size_t i = had; i < s->classes.n && ret == 0; i++) {
		const struct tcmsg *c = mnl_nlmsg_get_payload(s->classes.v[i]);

		ret = list_filters(rt, ifindex, c->tcm_handle, &s->filters);
	}
	return ret;
}

/* Everything somebody set up in the namespace. */
static int collect(struct rtnl *rt, struct tc_set *s)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs all = { 0 };
	int ret = list(rt, RTM_GETQDISC, 0, 0, &all);

	for (size_t i = 0; i < all.n && ret == 0; i++) {
		struct tc_msg m;

		ret = tc_parse_msg(all.v[i], &m);
		if (ret < 0 || !m.tc->tcm_handle)
			continue;
		if (!GROW(s->qdiscs.v, s->qdiscs.n))
			return -ENOMEM;
		s->qdiscs.v[s->qdiscs.n++] = TAKE_PTR(all.v[i]);
		ret = collect_below(rt, &m, s);
	}
	return ret;
}

static const char *qdisc_refuse(const struct tc_msg *m)
{
	if (!is_kind(m->kind))
		return "which is not supported; tc qdisc del";
	return m->tb[TCA_STAB] ? "with a size table (stab), which is not supported; tc qdisc del" : NULL;
}

static const char *link_name(struct net_dump *n, int ifindex, char buf[IFNAMSIZ + 8])
{
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct link_info l;

	if (ifindex != TC_BLOCK && rtnl_link(&n->rt, NULL, ifindex, &h) == 0 && link_parse(h, &l) == 0)
		snprintf(buf, IFNAMSIZ + 8, "link %.15s", l.name);
	else
		snprintf(buf, IFNAMSIZ + 8, "a shared block");
	return buf;
}

/* What can be wrong with one of a kind, and who is told of each; the first error of @report() ends it. */
struct tc_check {
	const char *what;
	const char *(*refuse)(const struct tc_msg *m);
	int (*report)(struct net_dump *n, const char *what, const struct tc_msg *m, const char *why);
};

static int check_each(struct net_dump *n, const struct rtnl_msgs *l, const struct tc_check *c)
{
	int ret = 0;

	for (size_t i = 0; i < l->n && ret == 0; i++) {
		struct tc_msg m;
		const char *why;

		ret = tc_parse_msg(l->v[i], &m);
		why = ret == 0 ? c->refuse(&m) : NULL;
		if (why)
			ret = c->report(n, c->what, &m, why);
	}
	return ret;
}

static int check_all(struct net_dump *n, const struct tc_set *s,
		     int (*report)(struct net_dump *n, const char *what, const struct tc_msg *m,
				   const char *why))
{
	const struct tc_check qdisc = { "queueing discipline", qdisc_refuse, report };
	const struct tc_check filter = { "traffic filter", filter_refuse, report };
	int ret = check_each(n, &s->qdiscs, &qdisc);

	return ret < 0 ? ret : check_each(n, &s->filters, &filter);
}

static int report_obstacle(struct net_dump *n, const char *what, const struct tc_msg *m, const char *why)
{
	char name[IFNAMSIZ + 8];

	return dump_obstacle(n->d, "%s has a %s (%s %x:%x), %s", link_name(n, m->tc->tcm_ifindex, name), what,
			     m->kind, m->tc->tcm_handle >> 16, m->tc->tcm_handle & 0xffff, why);
}

static int report_error(struct net_dump *n, const char *what, const struct tc_msg *m, const char *why)
{
	char name[IFNAMSIZ + 8];

	log_error("%s has a %s (%s %x:%x), %s", link_name(n, m->tc->tcm_ifindex, name), what, m->kind,
		  m->tc->tcm_handle >> 16, m->tc->tcm_handle & 0xffff, why);
	return -EOPNOTSUPP;
}

int tc_survey(struct net_dump *n)
{
	_cleanup_(set_done) struct tc_set s = { 0 };
	int ret = collect(&n->rt, &s);

	return ret < 0 ? log_errno(ret, "network namespace %u: traffic control", n->msg->ns_id)
		       : check_all(n, &s, report_obstacle);
}

int tc_add(NetEntry *net, const struct nlmsghdr *h)
{
	TrafficEntry *e = malloc(sizeof(*e));

	if (!e || !GROW(net->traffic, net->n_traffic)) {
		free(e);
		return log_oom();
	}
	traffic_entry__init(e);
	e->type = h->nlmsg_type;
	net->traffic[net->n_traffic++] = e;
	return bytes_copy(&e->payload, mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h)) < 0 ? log_oom()
												   : 0;
}

/* Is the one called @handle on link @ifindex in the image, or in no need of it? */
static bool is_there(const NetEntry *net, int ifindex, uint32_t handle)
{
	for (size_t i = 0; i < net->n_traffic; i++) {
		const struct tcmsg *tc = (const void *)net->traffic[i]->payload.data;

		if (tc->tcm_ifindex == ifindex && tc->tcm_handle == handle)
			return true;
	}
	return false;
}

/* A class is below its discipline (TC_H_ROOT) or another class; a discipline below a class that was made, or
 * one that comes with its own discipline. */
static bool parent_there(const NetEntry *net, const struct tcmsg *tc, bool class)
{
	const uint32_t major =
		TC_H_MAJ(class && tc->tcm_parent == TC_H_ROOT ? tc->tcm_handle : tc->tcm_parent);

	if (!class && (tc->tcm_parent == TC_H_ROOT || tc->tcm_parent == TC_H_INGRESS))
		return true;
	if (is_there(net, tc->tcm_ifindex, tc->tcm_parent))
		return true;
	if (!is_there(net, tc->tcm_ifindex, major))
		return false;
	if (class)
		return tc->tcm_parent == TC_H_ROOT;
	for (size_t i = 0; i < net->n_traffic; i++) {
		struct tc_msg m;

		if (tc_parse(net->traffic[i]->payload.data, net->traffic[i]->payload.len, &m) == 0 &&
		    m.tc->tcm_ifindex == tc->tcm_ifindex && m.tc->tcm_handle == major)
			return !has_classes(m.kind);
	}
	return false;
}

/* Move those whose parents are in the image into it; how many, or an error. */
static int add_ready(NetEntry *net, struct rtnl_msgs *from, bool class)
{
	int done = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (!from->v[i] || !parent_there(net, mnl_nlmsg_get_payload(from->v[i]), class))
			continue;
		if (tc_add(net, from->v[i]) < 0)
			return -ENOMEM;
		free(TAKE_PTR(from->v[i]));
		done++;
	}
	return done;
}

static int dump_ordered(struct net_dump *n, struct tc_set *s)
{
	const size_t all = s->qdiscs.n + s->classes.n;
	int qdiscs, classes;

	do {
		qdiscs = add_ready(n->msg, &s->qdiscs, false);
		classes = qdiscs < 0 ? 0 : add_ready(n->msg, &s->classes, true);
		if (qdiscs < 0 || classes < 0)
			return -ENOMEM;
	} while (qdiscs || classes);
	if (n->msg->n_traffic == all)
		return 0;
	log_error("network namespace %u: traffic control without a parent", n->msg->ns_id);
	return -EPROTO;
}

/* The host's ends of pairs: what somebody set up there is the host's, but is gone with the link. */
static int warn_host_ends(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs all = { 0 };
	int ret = list(&n->host, RTM_GETQDISC, 0, 0, &all);

	for (size_t i = 0; i < all.n && ret == 0; i++) {
		struct tc_msg m;

		ret = tc_parse_msg(all.v[i], &m);
		for (size_t j = 0; j < n->msg->n_links && ret == 0 && m.tc->tcm_handle; j++) {
			const LinkEntry *l = n->msg->links[j];

			if (streq(l->kind, "veth") && l->peer && l->peer->ns_id == 0 &&
			    (int)l->peer->index == m.tc->tcm_ifindex)
				log_warn("link %s: the queueing discipline (%s %x:) of its host end %s is "
					 "not kept; "
					 "an action script can set it again",
					 l->name, m.kind, m.tc->tcm_handle >> 16,
					 l->peer->name ? l->peer->name : "?");
		}
	}
	return ret;
}

int tc_dump(struct net_dump *n)
{
	_cleanup_(set_done) struct tc_set s = { 0 };
	int ret = collect(&n->rt, &s);

	if (ret == 0)
		ret = warn_host_ends(n);
	if (ret < 0)
		return log_errno(ret, "network namespace %u: traffic control", n->msg->ns_id);
	ret = check_all(n, &s, report_error);
	if (ret == 0)
		ret = dump_ordered(n, &s);
	return ret < 0 ? ret : filters_dump(n, &s);
}

int tc_plan(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_traffic; i++) {
		const TrafficEntry *e = n->msg->traffic[i];
		struct tc_msg m;

		if (tc_parse(e->payload.data, e->payload.len, &m) == 0 && e->payload.len <= UINT16_MAX / 4 &&
		    (e->type == RTM_NEWQDISC || e->type == RTM_NEWTCLASS || e->type == RTM_NEWTFILTER) &&
		    (m.tc->tcm_ifindex == TC_BLOCK || link_entry(n->msg, m.tc->tcm_ifindex)))
			continue;
		log_error("image: network namespace %u: traffic control %zu is damaged", n->msg->ns_id, i);
		return -EBADMSG;
	}
	return 0;
}

int tc_do(struct rnet *n, struct rtnl_req *q, const char *what)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(&q->h);
	const LinkEntry *l = link_entry(n->msg, tc->tcm_ifindex);
	int ret = rtnl_do(&n->rt, q);

	return ret == 0 ? 0
			: log_errno(ret, "link %s: %s %x:%x%s%s", l ? l->name : "(shared block)", what,
				    tc->tcm_handle >> 16, tc->tcm_handle & 0xffff, n->rt.why[0] ? ": " : "",
				    n->rt.why);
}

/* htb shows the version of its protocol with a minor number, and takes it without. */
static int put_htb(struct rtnl_req *q, const struct nlattr *options)
{
	const struct nlattr *tb[TCA_HTB_MAX + 1] = { 0 };
	struct nlattr *nest = rtnl_nest(q, TCA_OPTIONS);
	struct tc_htb_glob glob = { 0 };
	int ret = nest ? rtnl_attrs_raw(mnl_attr_get_payload(options), mnl_attr_get_payload_len(options), tb,
					TCA_HTB_MAX)
		       : -E2BIG;

	if (ret < 0 || !tb[TCA_HTB_INIT] || mnl_attr_get_payload_len(tb[TCA_HTB_INIT]) < sizeof(glob))
		return ret < 0 ? ret : -EBADMSG;
	memcpy(&glob, mnl_attr_get_payload(tb[TCA_HTB_INIT]), sizeof(glob));
	glob.version = TC_HTB_PROTOVER;
	ret = rtnl_put(q, TCA_HTB_INIT, &glob, sizeof(glob));
	if (ret == 0 && tb[TCA_HTB_DIRECT_QLEN])
		ret = rtnl_put_raw(q, tb[TCA_HTB_DIRECT_QLEN], tb[TCA_HTB_DIRECT_QLEN]->nla_len);
	mnl_attr_nest_end(&q->h, nest);
	return ret;
}

int tc_restore(struct rnet *n)
{
	int ret = 0;

	for (size_t i = 0; i < n->msg->n_traffic && ret == 0; i++) {
		const TrafficEntry *e = n->msg->traffic[i];
		struct rtnl_req q;
		struct tcmsg tc;
		struct tc_msg m;

		if (e->type == RTM_NEWTFILTER) {
			ret = filter_restore(n, i);
			continue;
		}
		ret = tc_parse(e->payload.data, e->payload.len, &m);
		if (ret < 0)
			break;
		tc = *m.tc;
		tc.tcm_info = 0; /* references */
		rtnl_begin(&q, e->type, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));
		ret = tc_put(&q, &m, TCA_KIND);
		if (ret == 0)
			ret = e->type == RTM_NEWQDISC && streq(m.kind, "htb") && m.tb[TCA_OPTIONS]
				      ? put_htb(&q, m.tb[TCA_OPTIONS])
				      : tc_put(&q, &m, TCA_OPTIONS);
		if (ret == 0)
			ret = tc_put(&q, &m, TCA_INGRESS_BLOCK);
		if (ret == 0)
			ret = tc_put(&q, &m, TCA_EGRESS_BLOCK);
		if (ret == 0)
			ret = tc_do(n, &q, e->type == RTM_NEWQDISC ? "queueing discipline" : "class");
	}
	return ret;
}
