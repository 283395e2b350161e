/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces on restore: which there are, in which order their contents are made.
 *
 * A namespace is reached by the first task that is in it (/proc/PID/ns/net); from then on everything
 * goes through our own sockets inside. Links are made down; the lock is there before any is up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "image/image.h"
#include "net/link.h"
#include "net/outside.h"
#include "net/route.h"

static int load_one(struct restore *r, uint32_t ns_id)
{
	struct net_store *s = r->net;
	ProtobufCMessage *msg;
	char name[32];
	int ret;

	if (!GROW(s->nets, s->n_nets))
		return log_oom();
	snprintf(name, sizeof(name), "net-%u", ns_id);
	ret = image_read_one(r->img, name, &net_entry__descriptor, &msg);
	if (ret < 0)
		return ret;
	s->nets[s->n_nets++] = (struct rnet){ .msg = (NetEntry *)msg, .ns_fd = -1, .rt.fd = -1 };
	if (s->nets[s->n_nets - 1].msg->ns_id == ns_id)
		return 0;
	log_error("image: %s.img is of namespace %u", name, s->nets[s->n_nets - 1].msg->ns_id);
	return -EBADMSG;
}

static uint32_t task_netns(const struct rtask *t)
{
	return t->msg->n_ns_ids == NS_KINDS ? t->msg->ns_ids[NS_NET] : 0;
}

struct rnet *rnet_find(const struct restore *r, uint32_t ns_id)
{
	for (size_t i = 0; r->net && i < r->net->n_nets; i++)
		if (r->net->nets[i].msg->ns_id == ns_id)
			return &r->net->nets[i];
	return NULL;
}

int net_load(struct restore *r)
{
	int ret = 0;

	r->net = calloc(1, sizeof(*r->net));
	if (!r->net)
		return log_oom();
	r->net->host.fd = r->net->host_fd = -1;
	for (size_t i = 0; i < r->n_tasks && ret == 0; i++) {
		uint32_t id = task_netns(&r->tasks[i]);

		if (id && !rnet_find(r, id))
			ret = load_one(r, id);
	}
	return ret;
}

static int check_raw(const NetEntry *m)
{
	const struct {
		size_t n;
		const ProtobufCBinaryData *v;
	} lists[] = {
		{ m->n_routes, m->routes },
		{ m->n_rules, m->rules },
		{ m->n_neighbours, m->neighbours },
		{ m->n_conntrack, m->conntrack },
		{ m->n_nexthops, m->nexthops },
		{ m->n_fdb, m->fdb },
		{ m->n_expectations, m->expectations },
		{ m->n_addr_labels, m->addr_labels },
		{ m->n_vnis, m->vnis },
		{ m->n_seg6, m->seg6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t j = 0; j < lists[i].n; j++)
			if (lists[i].v[j].len > ROUTE_RAW_MAX) {
				log_error("image: network namespace %u: a routing message is too long",
					  m->ns_id);
				return -EBADMSG;
			}
	return 0;
}

/* Does --veth-pair name a link of the image? */
static bool is_veth(const struct restore *r, const struct external *e)
{
	for (size_t i = 0; i < r->net->n_nets; i++)
		for (size_t j = 0; j < r->net->nets[i].msg->n_links; j++) {
			const LinkEntry *m = r->net->nets[i].msg->links[j];
			const size_t len = strlen(m->name);

			if (streq(m->kind, "veth") && strncmp(e->key + strlen("veth["), m->name, len) == 0 &&
			    streq(e->key + strlen("veth[") + len, "]"))
				return true;
		}
	return false;
}

static int check_pairs(const struct restore *r)
{
	for (size_t i = 0; i < r->opt->n_externals; i++) {
		const struct external *e = &r->opt->externals[i];

		if (!e->pair || is_veth(r, e))
			continue;
		log_error("--veth-pair %.*s=%s: the container has no veth link of that name",
			  (int)strlen(e->key) - (int)strlen("veth[]"), e->key + strlen("veth["), e->value);
		return -EINVAL;
	}
	return 0;
}

int net_plan(struct restore *r)
{
	struct net_store *s = r->net;
	int ret = check_pairs(r);

	if (ret == 0 && !s->n_nets && r->opt->n_addresses) {
		log_error("--ip %s=%s: the tree has no network namespace of its own",
			  r->opt->addresses[0].key, r->opt->addresses[0].value);
		return -EINVAL;
	}
	if (ret < 0 || !s->n_nets)
		return ret;
	s->host_fd = RET_NERRNO(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	ret = s->host_fd < 0 ? s->host_fd : rtnl_open(-1, &s->host);
	if (ret < 0)
		return log_errno(ret, "the host's network namespace");
	for (size_t i = 0; i < s->n_nets && ret == 0; i++) {
		ret = check_raw(s->nets[i].msg);
		if (ret == 0)
			ret = outside_plan(&s->nets[i]);
		if (ret == 0)
			ret = links_plan(r, &s->nets[i]);
		if (ret == 0)
			ret = addrs_plan(r, &s->nets[i]);
		if (ret == 0)
			ret = sysctls_plan(&s->nets[i]);
		if (ret == 0)
			ret = tc_plan(&s->nets[i]);
		if (ret == 0)
			ret = xtables_plan(&s->nets[i]);
		if (ret == 0)
			ret = ipset_plan(&s->nets[i]);
	}
	return ret;
}

/* Never the host's: everything that follows would be done to it. */
static int check_not_ours(const struct net_store *s, int ns_fd)
{
	struct stat st, own;

	if (fstat(ns_fd, &st) < 0 || fstat(s->host_fd, &own) < 0)
		return -errno;
	return st.st_ino == own.st_ino && st.st_dev == own.st_dev ? -EXDEV : 0;
}

struct rnet *rnet_enter(struct restore *r, struct rtask *t, int *ret_err)
{
	struct rnet *n = rnet_find(r, task_netns(t));
	char path[64];
	int ret;

	if (!n || n->ns_fd >= 0)
		return n;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", t->pid);
	n->ns_fd = RET_NERRNO(open(path, O_RDONLY | O_CLOEXEC));
	ret = n->ns_fd < 0 ? n->ns_fd : check_not_ours(r->net, n->ns_fd);
	if (ret == 0)
		ret = rtnl_open(n->ns_fd, &n->rt);
	if (ret == 0)
		return n;
	close_fd(&n->ns_fd);
	*ret_err = log_errno(ret, "pid %d: network namespace %u", t->pid, n->msg->ns_id);
	return NULL;
}

int net_restore_links(struct restore *r, struct rtask *t)
{
	int ret = 0;
	struct rnet *n = rnet_enter(r, t, &ret);

	if (!n || n->linked)
		return ret;
	ret = rnet_lock(r, n);
	if (ret == 0)
		ret = nsids_restore(r, n);
	if (ret == 0)
		ret = links_make(r, n);
	n->linked = ret == 0;
	return ret;
}

int net_restore_config(struct restore *r, struct rtask *t)
{
	static int (*const parts[])(struct rnet * n) = {
		sysctls_restore,  ipset_restore,  tc_restore,	      links_up,	    addrs_restore,
		nexthops_restore, routes_restore, rules_restore,      vnis_restore, neighbours_restore,
		groups_restore,	  maddrs_restore, addrlabels_restore, seg6_restore,
	};
	int ret = 0;
	struct rnet *n = rnet_enter(r, t, &ret);

	if (!n || n->configured)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && ret == 0; i++)
		ret = parts[i](n);
	if (ret == 0)
		ret = outside_config(r, n);
	n->configured = ret == 0;
	return ret;
}

int net_restore_filters(struct restore *r)
{
	static int (*const parts[])(struct rnet * n) = { nft_restore, xtables_restore, conntrack_restore };
	int ret = 0;

	for (size_t i = 0; r->net && i < r->net->n_nets; i++)
		for (size_t j = 0; j < ARRAY_SIZE(parts) && ret == 0; j++)
			if (r->net->nets[i].configured)
				ret = parts[j](&r->net->nets[i]);
	return ret;
}

int net_settle(struct restore *r)
{
	int ret = 0;

	for (size_t i = 0; r->net && i < r->net->n_nets && ret == 0; i++)
		if (r->net->nets[i].configured)
			ret = links_finish(&r->net->nets[i], false);
	return ret == 0 && r->net ? outside_finish(r) : ret;
}

int net_finish(struct restore *r)
{
	if (r->net)
		phys_finish(r);
	for (size_t i = 0; r->net && i < r->net->n_nets; i++)
		if (r->net->nets[i].configured) {
			links_finish(&r->net->nets[i], true);
			net_announce(&r->net->nets[i]);
		}
	return 0;
}

/* The other end goes with it, at once: the namespace itself would only do so some time later. */
int net_undo(struct restore *r)
{
	struct net_store *s = r->net;
	int ret = 0;

	if (s)
		phys_undo(r);
	for (size_t i = 0; s && i < s->n_nets; i++)
		if (s->nets[i].rt.fd >= 0)
			(void)links_down(&s->nets[i].rt);
	for (size_t i = 0; s && i < s->n_ends; i++) {
		const struct ifinfomsg ifi = { .ifi_index = s->ends[i].index };
		struct rtnl_req q;
		int err;

		rtnl_begin(&q, RTM_DELLINK, 0, &ifi, sizeof(ifi));
		err = rtnl_do(s->ends[i].place->rt, &q);
		if (err < 0 && err != -ENODEV)
			ret = log_errno(err, "remove the end %s %s", s->ends[i].name ? s->ends[i].name : "?",
					s->ends[i].place->text);
	}
	for (size_t i = 0; s && i < s->n_ends; i++)
		free(s->ends[i].name);
	if (s)
		s->n_ends = 0;
	return ret;
}

void net_restore_done(struct restore *r)
{
	struct net_store *s = r->net;

	if (!s)
		return;
	net_lock_forget(s);
	for (size_t i = 0; i < s->n_nets; i++) {
		struct rnet *n = &s->nets[i];

		rtnl_close(&n->rt);
		close_fd(&n->ns_fd);
		free(n->order);
		net_entry__free_unpacked(n->msg, NULL);
	}
	for (size_t i = 0; i < s->n_ends; i++)
		free(s->ends[i].name);
	places_done(s);
	rtnl_close(&s->host);
	close_fd(&s->host_fd);
	free(s->ends);
	phys_done(r);
	free(s->moved);
	free(s->nets);
	free(s);
	r->net = NULL;
}
