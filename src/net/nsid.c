/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids by which one network namespace calls another (ip netns list-id). A program sees them as
 * link-netnsid. Only those of the host's namespace and of the container's own can be kept.
 */
#include <linux/net_namespace.h>

#include "base/log.h"
#include "net/link.h"

/* The id of the namespace @ns_fd in that of @rt; -1 in *@ret if it has none. */
int nsid_get(struct rtnl *rt, int ns_fd, int32_t *ret)
{
	const struct rtgenmsg gen = { .rtgen_family = AF_UNSPEC };
	const struct nlattr *tb[NETNSA_MAX + 1] = { 0 };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct rtnl_req q;
	int err;

	rtnl_begin(&q, RTM_GETNSID, 0, &gen, sizeof(gen));
	rtnl_put(&q, NETNSA_FD, &ns_fd, 4);
	err = rtnl_get(rt, &q, &h);
	if (err == 0)
		err = rtnl_attrs(h, sizeof(gen), tb, NETNSA_MAX);
	if (err == 0)
		*ret = rtnl_u32(tb[NETNSA_NSID], -1);
	return err;
}

int nsid_set(struct rtnl *rt, int ns_fd, int32_t id)
{
	const struct rtgenmsg gen = { .rtgen_family = AF_UNSPEC };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWNSID, 0, &gen, sizeof(gen));
	rtnl_put(&q, NETNSA_FD, &ns_fd, 4);
	rtnl_put(&q, NETNSA_NSID, &id, 4);
	return rtnl_do(rt, &q);
}

int nsid_of(struct rnet *n, int ns_fd)
{
	int32_t id = -1;
	int ret = nsid_get(&n->rt, ns_fd, &id);

	if (ret == 0 && id < 0) {
		ret = nsid_set(&n->rt, ns_fd, -1);
		if (ret == 0)
			ret = nsid_get(&n->rt, ns_fd, &id);
	}
	return ret < 0 ? ret : id < 0 ? -ENOENT : id;
}

static int dump_one(struct net_dump *n, uint32_t ns_id, int ns_fd)
{
	NsidEntry *e;
	int32_t id;
	int ret = nsid_get(&n->rt, ns_fd, &id);

	if (ret < 0)
		return log_errno(ret, "network namespace %u: its id of namespace %u", n->msg->ns_id, ns_id);
	if (id < 0)
		return 0;
	e = malloc(sizeof(*e));
	if (!e || !GROW(n->msg->nsids, n->msg->n_nsids)) {
		free(e);
		return log_oom();
	}
	nsid_entry__init(e);
	e->ns_id = ns_id;
	e->nsid = id;
	n->msg->nsids[n->msg->n_nsids++] = e;
	return 0;
}

int nsids_dump(struct net_dump *n)
{
	int ret = dump_one(n, 0, n->host_fd);

	for (size_t i = 0; i < n->d->n_ns && ret == 0; i++)
		if (n->d->ns[i]->kind == NS_NET && n->d->ns[i] != n->ns)
			ret = dump_one(n, n->d->ns[i]->id, n->d->ns[i]->fd);
	return ret;
}

/* The ids @n has for @ns_id, whose namespace is @ns_fd. */
static int restore_one(struct rnet *n, uint32_t ns_id, int ns_fd)
{
	for (size_t i = 0; i < n->msg->n_nsids; i++) {
		const NsidEntry *e = n->msg->nsids[i];
		int ret;

		if (e->ns_id != ns_id)
			continue;
		ret = nsid_set(&n->rt, ns_fd, e->nsid);
		if (ret < 0 && ret != -EEXIST)
			return log_errno(ret, "network namespace %u: id %d for namespace %u", n->msg->ns_id,
					 e->nsid, ns_id);
	}
	return 0;
}

int nsids_restore(struct restore *r, struct rnet *n)
{
	int ret = restore_one(n, 0, r->net->host_fd);

	for (size_t i = 0; i < r->net->n_nets && ret == 0; i++) {
		struct rnet *o = &r->net->nets[i];

		if (o == n || o->ns_fd < 0)
			continue;
		ret = restore_one(n, o->msg->ns_id, o->ns_fd);
		if (ret == 0)
			ret = restore_one(o, n->msg->ns_id, n->ns_fd);
	}
	return ret;
}
