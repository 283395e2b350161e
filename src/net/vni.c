/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network identifiers that a vxlan link with a filter of them (external vnifilter) takes: ranges, or
 * one with a group or remote of its own. Listed and set by messages of their own (bridge vni). Lost: their
 * statistics.
 */
#include "base/log.h"
#include "net/link.h"

static bool has_filter(const LinkEntry *m)
{
	const struct nlattr *tb[IFLA_VXLAN_MAX + 1] = { 0 };

	return streq(m->kind, "vxlan") && m->has_info_data &&
	       rtnl_attrs_raw(m->info_data.data, m->info_data.len, tb, IFLA_VXLAN_MAX) == 0 &&
	       rtnl_u8(tb[IFLA_VXLAN_VNIFILTER], 0);
}

int vnis_dump(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	size_t i = 0;
	int ret;

	while (i < n->msg->n_links && !has_filter(n->msg->links[i]))
		i++;
	if (i == n->msg->n_links)
		return 0;
	ret = rtnl_list_family(&n->rt, RTM_GETTUNNEL, PF_BRIDGE, sizeof(struct tunnel_msg), &list);
	for (i = 0; i < list.n && ret == 0; i++)
		ret = bytes_add(&n->msg->n_vnis, &n->msg->vnis, list.v[i]);
	return ret < 0 ? log_errno(ret, "network namespace %u: network identifiers of vxlan", n->msg->ns_id)
		       : 0;
}

static int put_entry(struct rtnl_req *q, const struct nlattr *a)
{
	static const uint16_t keep[] = { VXLAN_VNIFILTER_ENTRY_START, VXLAN_VNIFILTER_ENTRY_END,
					 VXLAN_VNIFILTER_ENTRY_GROUP, VXLAN_VNIFILTER_ENTRY_GROUP6 };
	const struct nlattr *tb[VXLAN_VNIFILTER_ENTRY_MAX + 1] = { 0 };
	struct nlattr *nest = rtnl_nest(q, VXLAN_VNIFILTER_ENTRY);
	int ret = nest ? rtnl_attrs_raw(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb,
					VXLAN_VNIFILTER_ENTRY_MAX)
		       : -E2BIG;

	for (size_t i = 0; i < ARRAY_SIZE(keep) && ret == 0; i++)
		if (tb[keep[i]])
			ret = rtnl_put_raw(q, tb[keep[i]], tb[keep[i]]->nla_len);
	if (nest)
		mnl_attr_nest_end(&q->h, nest);
	return ret;
}

static int vni_edit(const ProtobufCBinaryData *b, struct rtnl_req *q)
{
	const size_t at = sizeof(struct tunnel_msg);
	struct tunnel_msg tm;
	const char *p = (const char *)b->data + at;
	size_t left = b->len - at;
	int ret = 0;

	if (b->len < at)
		return -EBADMSG;
	memcpy(&tm, b->data, at);
	tm.flags = 0;
	rtnl_begin(q, RTM_NEWTUNNEL, NLM_F_CREATE, &tm, at);
	while (left >= MNL_ATTR_HDRLEN && ret == 0) {
		const struct nlattr *a = (const void *)p;
		const size_t step = MIN((size_t)MNL_ALIGN(a->nla_len), left);

		if (a->nla_len < MNL_ATTR_HDRLEN || a->nla_len > left)
			return -EBADMSG;
		if (mnl_attr_get_type(a) == VXLAN_VNIFILTER_ENTRY)
			ret = put_entry(q, a);
		p += step;
		left -= step;
	}
	return ret;
}

int vnis_restore(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_vnis; i++) {
		const LinkEntry *l = NULL;
		struct rtnl_req q;
		int ret = vni_edit(&n->msg->vnis[i], &q);

		if (ret == 0) {
			l = link_entry(n->msg, ((struct tunnel_msg *)mnl_nlmsg_get_payload(&q.h))->ifindex);
			ret = l ? rtnl_do(&n->rt, &q) : -EBADMSG;
		}
		if (ret < 0)
			return log_errno(ret, "link %s: network identifiers of vxlan%s%s", l ? l->name : "?",
					 n->rt.why[0] ? ": " : "", n->rt.why);
	}
	return 0;
}
