/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces: what is read and refused on dump, in which order. Everything is read through
 * sockets of ours made inside (base/netns.h); no task is needed for it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/netns.h"
#include "base/procfs.h"
#include "image/image.h"
#include "net/link.h"
#include "net/outside.h"

#define OWN_NETNS "/proc/thread-self/ns/net"

static void net_dump_close(struct net_dump *n)
{
	rtnl_close(&n->rt);
	rtnl_close(&n->host);
	close_fd(&n->host_fd);
	close_fd(&n->ethtool);
	close_fd(&n->host_ethtool);
	outside_dump_done(n);
	if (n->msg)
		net_entry__free_unpacked(n->msg, NULL);
	n->msg = NULL;
}

static int net_dump_open(struct dump *d, const struct ns *ns, struct net_dump *n)
{
	int ret;

	*n = (struct net_dump){
		.d = d, .ns = ns, .rt.fd = -1, .host.fd = -1, .host_fd = -1, .ethtool = -1, .host_ethtool = -1
	};
	n->msg = malloc(sizeof(*n->msg));
	if (!n->msg)
		return log_oom();
	net_entry__init(n->msg);
	n->msg->ns_id = ns->id;
	n->host_fd = RET_NERRNO(open(OWN_NETNS, O_RDONLY | O_CLOEXEC));
	ret = n->host_fd < 0 ? n->host_fd : rtnl_open(-1, &n->host);
	if (ret == 0)
		ret = rtnl_open(ns->fd, &n->rt);
	if (ret < 0)
		return log_errno(ret, "network namespace %u", ns->id);
	/* Without them links have no such settings. */
	n->ethtool = netns_socket(ns->fd, AF_INET, SOCK_DGRAM, 0);
	n->host_ethtool = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return 0;
}

static int survey_links(struct net_dump *n)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	int ret = rtnl_list_family(&n->rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), &list);

	if (ret == 0 && list.n > LINKS_MAX)
		ret = dump_obstacle(n->d, "network namespace %u has %zu links, more than %d; remove some",
				    n->msg->ns_id, list.n, LINKS_MAX);
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		struct link_info l;
		const char *why;

		ret = link_parse(list.v[i], &l);
		if (ret < 0 || link_is_fallback(&l))
			continue;
		if (phys_of_host(n->d, n->ns, l.name))
			l.kind = link_phys.kind;
		why = link_refuse(&l);
		if (why)
			ret = dump_obstacle(n->d, "link %s (%s) %s", l.name, l.kind, why);
		else if (link_is_outside(n, &l))
			ret = outside_survey(n, &l);
	}
	return ret < 0 ? log_errno(ret, "network namespace %u: links", n->msg->ns_id) : 0;
}

/*
 * Of another container (lxc.namespace.share.net): the lock would be its too, and a restore would make
 * the namespace anew beside it. Who only looks in from the host (nsenter, ip netns exec) does not count.
 */
static bool is_sharer(const struct dump *d, pid_t pid, uint64_t net_ino)
{
	uint64_t net, pids, own;

	if (proc_ns_ino(pid, "net", &net) < 0 || net != net_ino || dump_find_task(d, pid))
		return false;
	return proc_ns_ino(pid, "pid", &pids) >= 0 && proc_ns_ino(getpid(), "pid", &own) >= 0 &&
	       pids != own && !dump_find_ns(d, pids);
}

static int survey_sharers(struct net_dump *n)
{
	_cleanup_free_ int *pids = NULL;
	size_t n_pids = 0;
	int ret = proc_list(AT_FDCWD, "/proc", &pids, &n_pids);

	for (size_t i = 0; i < n_pids && ret >= 0; i++)
		if (is_sharer(n->d, pids[i], n->ns->ino))
			return dump_obstacle(
				n->d,
				"network namespace %u is shared with pid %d of another container; "
				"run ctcr inside of it: nsenter -t %d -n ctcr ...",
				n->msg->ns_id, pids[i], pids[i]);
	return ret;
}

int net_survey(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; i < d->n_ns && ret == 0; i++) {
		_cleanup_(net_dump_close) struct net_dump n;

		if (d->ns[i]->kind != NS_NET) {
			n = (struct net_dump){
				.rt.fd = -1, .host.fd = -1, .host_fd = -1, .ethtool = -1, .host_ethtool = -1
			};
			continue;
		}
		ret = net_dump_open(d, d->ns[i], &n);
		if (ret == 0)
			ret = survey_sharers(&n);
		if (ret == 0)
			ret = nsids_dump(&n);
		if (ret == 0)
			ret = survey_links(&n);
		if (ret == 0)
			ret = tc_survey(&n);
		if (ret == 0)
			ret = mroute_survey(&n);
		if (ret == 0)
			ret = xfrm_survey(&n);
		if (ret == 0)
			ret = tcx_survey(&n);
		if (ret == 0)
			ret = encap_survey(&n);
		if (ret == 0)
			ret = netbpf_survey(&n);
		if (ret == 0)
			ret = xtables_survey(&n);
	}
	return ret;
}

static int dump_contents(struct net_dump *n)
{
	static int (*const parts[])(struct net_dump * n) = {
		nsids_dump,   links_dump,  addrs_dump,	    routes_dump,  rules_dump,	  neighbours_dump,
		sysctls_dump, ipset_dump,  nft_dump,	    xtables_dump, conntrack_dump, tc_dump,
		groups_dump,  maddrs_dump, addrlabels_dump, vnis_dump,	  seg6_dump,
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int ret = parts[i](n);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int dump_one(struct dump *d, const struct ns *ns)
{
	_cleanup_(net_dump_close) struct net_dump n;
	char name[32];
	int ret = net_dump_open(d, ns, &n);

	if (ret == 0)
		ret = dump_contents(&n);
	if (ret < 0)
		return ret;
	snprintf(name, sizeof(name), "net-%u", ns->id);
	return image_write_one(d->img, name, &n.msg->base);
}

int net_dump(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; i < d->n_ns && ret == 0; i++)
		if (d->ns[i]->kind == NS_NET)
			ret = dump_one(d, d->ns[i]);
	return ret;
}
