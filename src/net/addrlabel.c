/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labels of IPv6 prefixes (ip addrlabel, RFC 6724): a new namespace has the kernel's own, of which those
 * the image has not are removed.
 */
#include <linux/if_addrlabel.h>

#include "base/log.h"
#include "net/link.h"

/* Do the two payloads label the same prefix, the same way? The sequence number is of the list. */
static bool same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct ifaddrlblmsg x, y;

	if (a_len != b_len || a_len < sizeof(x))
		return false;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	x.ifal_seq = y.ifal_seq = 0;
	return memcmp(&x, &y, sizeof(x)) == 0 &&
	       memcmp((const char *)a + sizeof(x), (const char *)b + sizeof(x), a_len - sizeof(x)) == 0;
}

static int list(struct rtnl *rt, struct rtnl_msgs *ret)
{
	int err = rtnl_list_family(rt, RTM_GETADDRLABEL, AF_INET6, sizeof(struct ifaddrlblmsg), ret);

	return err == -EOPNOTSUPP || err == -EAFNOSUPPORT ? 0 : err;
}

int addrlabels_dump(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	int ret = list(&n->rt, &m);

	n->msg->has_addr_labels_read = n->msg->addr_labels_read = ret == 0;
	for (size_t i = 0; i < m.n && ret == 0; i++)
		ret = bytes_add(&n->msg->n_addr_labels, &n->msg->addr_labels, m.v[i]);
	return ret < 0 ? log_errno(ret, "network namespace %u: address labels", n->msg->ns_id) : 0;
}

static int send_label(struct rnet *n, uint16_t type, const void *data, size_t len)
{
	const struct ifaddrlblmsg *al = data;
	struct rtnl_req q;
	int ret;

	if (len < sizeof(*al))
		return -EBADMSG;
	rtnl_begin(&q, type, type == RTM_NEWADDRLABEL ? NLM_F_CREATE | NLM_F_EXCL : 0, al, sizeof(*al));
	ret = rtnl_put_raw(&q, al + 1, len - sizeof(*al));
	return ret < 0 ? ret : rtnl_do(&n->rt, &q);
}

static bool in_image(const NetEntry *net, const struct nlmsghdr *h)
{
	for (size_t i = 0; i < net->n_addr_labels; i++)
		if (same(mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h), net->addr_labels[i].data,
			 net->addr_labels[i].len))
			return true;
	return false;
}

static bool is_there(const struct rtnl_msgs *m, const ProtobufCBinaryData *b)
{
	for (size_t i = 0; i < m->n; i++)
		if (same(mnl_nlmsg_get_payload(m->v[i]), mnl_nlmsg_get_payload_len(m->v[i]), b->data, b->len))
			return true;
	return false;
}

int addrlabels_restore(struct rnet *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	int ret = n->msg->addr_labels_read ? list(&n->rt, &m) : 0;

	for (size_t i = 0; i < m.n && ret == 0; i++)
		if (!in_image(n->msg, m.v[i]))
			ret = send_label(n, RTM_DELADDRLABEL, mnl_nlmsg_get_payload(m.v[i]),
					 mnl_nlmsg_get_payload_len(m.v[i]));
	for (size_t i = 0; i < n->msg->n_addr_labels && ret == 0; i++) {
		const ProtobufCBinaryData *b = &n->msg->addr_labels[i];

		ret = is_there(&m, b) ? 0 : send_label(n, RTM_NEWADDRLABEL, b->data, b->len);
	}
	return ret < 0 ? log_errno(ret, "network namespace %u: address label", n->msg->ns_id) : 0;
}
