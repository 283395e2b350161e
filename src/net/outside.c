/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends of links in namespaces outside, on dump: which namespace that is, and what is there.
 *
 * A link shows the id that its namespace has for the other one (IFLA_LINK_NETNSID). Those that are mounted
 * somewhere (ip-netns(8)) and those of all tasks are asked for their ids (RTM_GETNSID), once for each dump
 * that has such a link. The kernel removes the pair with the container, so what the other end had is
 * recorded: names, addresses, permanent and proxy neighbours, the routes that go by it alone; on the host
 * some sysctls. Lost: other sysctls, traffic control, firewall rules that know it by number, routes by
 * several links or by a nexthop object.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/map.h"
#include "base/netns.h"
#include "base/procfs.h"
#include "mnt/mountinfo.h"
#include "net/outside.h"
#include "net/route.h"

/* Take @fd if the container's namespace has an id for it. 0, or -ENOMEM. */
static int consider(struct net_dump *n, int fd, const char *path, pid_t pid)
{
	_cleanup_close_ int own = fd;
	struct outside_ns o = { .fd = -1, .nsid = -1, .pid = pid };
	struct stat st;

	if (own < 0 || fstat(own, &st) < 0 || nsid_get(&n->rt, own, &o.nsid) < 0 || o.nsid < 0)
		return 0;
	if (!GROW(n->outs, n->n_outs))
		return log_oom();
	o.path = path ? strdup(path) : NULL;
	if (path && !o.path)
		return log_oom();
	o.ino = st.st_ino;
	o.fd = take_fd(&own);
	n->outs[n->n_outs++] = o;
	return 0;
}

static int look_at_mounts(struct net_dump *n, struct map *seen)
{
	_cleanup_(mount_list_done) struct mount_list l = { 0 };
	_cleanup_free_ char *text = NULL;
	int ret = read_text_at(AT_FDCWD, "/proc/thread-self/mountinfo", &text);

	if (ret >= 0)
		ret = mountinfo_parse(text, &l);
	for (size_t i = 0; i < l.n && ret >= 0; i++) {
		const struct mount *m = l.m[i];
		struct stat st;
		int fd;

		if (!streq(m->fstype, "nsfs") || !startswith(m->root, "net:["))
			continue;
		fd = netns_open(m->point);
		if (fd < 0 || fstat(fd, &st) < 0 || map_get(seen, st.st_ino)) {
			close_fd(&fd);
			continue;
		}
		ret = map_put(seen, st.st_ino, n);
		if (ret >= 0)
			ret = consider(n, fd, m->point, 0);
	}
	return ret;
}

static int look_at_tasks(struct net_dump *n, struct map *seen)
{
	_cleanup_free_ int *pids = NULL;
	size_t n_pids = 0;
	int ret = proc_list(AT_FDCWD, "/proc", &pids, &n_pids);

	for (size_t i = 0; i < n_pids && ret >= 0; i++) {
		char path[64];
		uint64_t ino;

		if (proc_ns_ino(pids[i], "net", &ino) < 0 || map_get(seen, ino))
			continue;
		ret = map_put(seen, ino, n);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pids[i]);
		if (ret >= 0)
			ret = consider(n, RET_NERRNO(open(path, O_RDONLY | O_CLOEXEC)), NULL, pids[i]);
	}
	return ret;
}

/* NULL: nobody lives there, and it is mounted nowhere. */
static struct outside_ns *find(struct net_dump *n, int32_t nsid)
{
	struct map seen = { 0 };

	if (!n->looked) {
		n->looked = true;
		if (look_at_mounts(n, &seen) < 0 || look_at_tasks(n, &seen) < 0)
			log_warn("network namespace %u: not all others could be looked at", n->msg->ns_id);
		map_done(&seen);
	}
	for (size_t i = 0; i < n->n_outs; i++)
		if (n->outs[i].nsid == nsid)
			return &n->outs[i];
	return NULL;
}

void outside_dump_done(struct net_dump *n)
{
	for (size_t i = 0; i < n->n_outs; i++) {
		close_fd(&n->outs[i].fd);
		free(n->outs[i].path);
	}
	free(n->outs);
	n->outs = NULL;
	n->n_outs = 0;
}

/* The container whose namespace it is, where it has no path; *@ret NULL: none of LXC's. */
static int container_of_ns(const struct net_dump *n, const struct outside_ns *o, char **ret)
{
	const struct container_lookup *c = n->d->opt->containers;
	int err = !o->path && c ? c->by_netns(n->d->opt, o->ino, ret) : -ESRCH;

	return err == -ENOMEM ? log_oom() : 0;
}

int outside_survey(struct net_dump *n, const struct link_info *l)
{
	const struct outside_ns *o = find(n, (int32_t)rtnl_u32(l->tb[IFLA_LINK_NETNSID], -1));
	_cleanup_free_ char *name = NULL, *of = NULL;
	int ret = o ? container_of_ns(n, o, &name) : 0;

	if (ret < 0 || (o && o->path) || name || options_external(n->d->opt, "netdev", l->name))
		return ret;
	of = o ? xasprintf(" (that of pid %d)", o->pid) : strdup("");
	if (!of)
		return log_oom();
	if (link_find(l->kind)->peer)
		log_warn("link %s (%s): its other end is in a network namespace without a name%s; a restore "
			 "must be told where: --veth-pair %s=,pid=N or netns=NAME",
			 l->name, l->kind, of, l->name);
	else
		log_warn("link %s (%s): it lies on a link in a network namespace without a name%s; a restore "
			 "must be told where: --external %s[%s]:LINK,pid=N or netns=NAME",
			 l->name, l->kind, of, l->kind, l->name);
	return 0;
}

/* Addresses and routes of the link @index, out of all of that namespace. */
static int take_config(struct net_dump *there, uint32_t index, OutsideEntry *o)
{
	NetEntry *m = there->msg;
	int ret = addrs_dump(there);

	if (ret == 0)
		ret = routes_dump(there);
	for (size_t i = 0; i < m->n_addrs && ret == 0; i++) {
		if (m->addrs[i]->index != index)
			continue;
		if (!GROW(o->addrs, o->n_addrs))
			return log_oom();
		o->addrs[o->n_addrs++] = TAKE_PTR(m->addrs[i]);
	}
	for (size_t i = 0; i < m->n_routes && ret == 0; i++) {
		if (!route_only_by(&m->routes[i], index))
			continue;
		if (!GROW(o->routes, o->n_routes))
			return log_oom();
		o->routes[o->n_routes++] = m->routes[i];
		m->routes[i] = (ProtobufCBinaryData){ 0 };
	}
	return ret;
}

/* What protobuf-c does not expect in a list: entries that were taken out of it. */
static void close_gaps(NetEntry *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_addrs; i++)
		if (m->addrs[i])
			m->addrs[kept++] = m->addrs[i];
	m->n_addrs = kept;
}

/* The other end of a pair as it is. Its port settings belong to the bridge there. */
static int take_end(struct net_dump *there, uint32_t index, OutsideEntry *o)
{
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct link_info l;

	if (rtnl_link(&there->rt, NULL, index, &h) < 0 || link_parse(h, &l) < 0)
		return 0; /* gone meanwhile */
	l.tb[IFLA_MASTER] = l.info[IFLA_INFO_SLAVE_KIND] = l.info[IFLA_INFO_SLAVE_DATA] = NULL;
	return link_read(&l, &o->end);
}

static int take_neighbours(struct net_dump *there, uint32_t index, uint8_t family, uint8_t flags,
			   OutsideEntry *o)
{
	const struct ndmsg req = { .ndm_family = family, .ndm_flags = flags };
	_cleanup_rtnl_msgs_ struct rtnl_msgs list = { 0 };
	struct rtnl_req q;
	int ret;

	rtnl_begin(&q, RTM_GETNEIGH, 0, &req, sizeof(req));
	ret = rtnl_list(&there->rt, &q, &list);
	if (ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT)
		return 0;
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		const struct ndmsg *nd = mnl_nlmsg_get_payload(list.v[i]);

		if (mnl_nlmsg_get_payload_len(list.v[i]) >= sizeof(*nd) && nd->ndm_ifindex == (int)index &&
		    ((nd->ndm_flags & NTF_PROXY) || (nd->ndm_state & NUD_PERMANENT)))
			ret = bytes_add(&o->n_neighbours, &o->neighbours, list.v[i]);
	}
	return ret;
}

/* All that goes with a veth's end. */
static int take_all(struct net_dump *there, uint32_t index, OutsideEntry *o)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int ret = take_end(there, index, o);

	if (ret < 0 || !o->end)
		return ret;
	ret = take_config(there, index, o);
	for (size_t i = 0; i < ARRAY_SIZE(families) && ret == 0; i++) {
		ret = take_neighbours(there, index, families[i], 0, o);
		if (ret == 0)
			ret = take_neighbours(there, index, families[i], NTF_PROXY, o);
	}
	return ret;
}

static int look_there(struct net_dump *n, const struct outside_ns *ns, LinkEntry *m, OutsideEntry *o)
{
	_cleanup_close_ int ethtool = netns_socket(ns->fd, AF_INET, SOCK_DGRAM, 0);
	_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
	struct net_dump there = { .d = n->d, .msg = malloc(sizeof(*there.msg)) };
	int ret = rtnl_open(ns->fd, &rt);

	if (ret < 0 || !there.msg) {
		free(there.msg);
		return log_errno(ret < 0 ? ret : -ENOMEM, "link %s: the network namespace of its other end",
				 m->name);
	}
	net_entry__init(there.msg);
	there.msg->ns_id = n->msg->ns_id;
	there.rt = rt;
	ret = link_read_peer(&there.rt, -1, ethtool, m->peer);
	if (ret == 0 && link_find(m->kind)->peer)
		ret = take_all(&there, m->peer->index, o);
	close_gaps(there.msg);
	net_entry__free_unpacked(there.msg, NULL);
	return ret;
}

int outside_dump(struct net_dump *n, LinkEntry *m, int32_t nsid)
{
	const struct outside_ns *ns = find(n, nsid);
	OutsideEntry *o = malloc(sizeof(*o));
	int ret;

	if (!o || !GROW(n->msg->outside, n->msg->n_outside)) {
		free(o);
		return log_oom();
	}
	outside_entry__init(o);
	n->msg->outside[n->msg->n_outside++] = o;
	o->link = m->index;
	o->nsid = nsid;
	if (!ns) /* of its links at least the names can be asked for, by the id */
		return link_read_peer(&n->rt, nsid, -1, m->peer);
	ret = container_of_ns(n, ns, &o->container);
	if (ret == 0 && ns->path) {
		o->netns = strdup(ns->path);
		ret = o->netns ? 0 : log_oom();
	}
	return ret < 0 ? ret : look_there(n, ns, m, o);
}

/* What somebody who routes to the container (lxc.net.N.veth.mode = router) sets. */
const char *outside_sysctl(size_t i)
{
	static const char *const names[] = { "ipv4/forwarding", "ipv4/proxy_arp",  "ipv4/rp_filter",
					     "ipv6/forwarding", "ipv6/proxy_ndp",  "ipv6/accept_ra",
					     "ipv6/autoconf",	"ipv6/accept_dad", "ipv6/dad_transmits" };

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static int take_sysctls(const char *link, OutsideEntry *o)
{
	const char *name;

	for (size_t i = 0; (name = outside_sysctl(i)); i++) {
		_cleanup_free_ char *path = xasprintf("/proc/sys/net/%.4s/conf/%s/%s", name, link, name + 5);
		_cleanup_free_ char *value = NULL;
		NetSysctlEntry *e;

		if (!path)
			return log_oom();
		if (read_text_at(AT_FDCWD, path, &value) < 0)
			continue;
		e = malloc(sizeof(*e));
		if (!e || !GROW(o->sysctls, o->n_sysctls)) {
			free(e);
			return log_oom();
		}
		net_sysctl_entry__init(e);
		o->sysctls[o->n_sysctls++] = e;
		e->name = strdup(name);
		if (!e->name || bytes_copy(&e->value, value, strlen(value)) < 0)
			return log_oom();
	}
	return 0;
}

/* Is there anything that the kernel has not made by itself? */
static bool is_configured(const OutsideEntry *o)
{
	for (size_t i = 0; i < o->n_addrs; i++)
		if (o->addrs[i]->scope != RT_SCOPE_LINK)
			return true;
	for (size_t i = 0; i < o->n_routes; i++)
		if (((const struct rtmsg *)o->routes[i].data)->rtm_protocol != RTPROT_KERNEL)
			return true;
	return o->n_neighbours;
}

static int look_at_host(struct net_dump *n, const LinkEntry *m, OutsideEntry *o)
{
	struct net_dump there = { .d = n->d, .rt = n->host, .msg = malloc(sizeof(*there.msg)) };
	int ret;

	if (!there.msg)
		return log_oom();
	net_entry__init(there.msg);
	ret = take_all(&there, m->peer->index, o);
	if (ret == 0 && o->end)
		ret = take_sysctls(o->end->name, o);
	close_gaps(there.msg);
	net_entry__free_unpacked(there.msg, NULL);
	return ret;
}

int outside_dump_host(struct net_dump *n, LinkEntry *m)
{
	OutsideEntry *o;
	int ret;

	if (!link_find(m->kind)->peer || m->peer->master)
		return 0;
	o = malloc(sizeof(*o));
	if (!o || !GROW(n->msg->outside, n->msg->n_outside)) {
		free(o);
		return log_oom();
	}
	outside_entry__init(o);
	o->link = m->index;
	o->nsid = -1;
	ret = look_at_host(n, m, o);
	if (ret == 0 && o->end && is_configured(o))
		n->msg->outside[n->msg->n_outside++] = o;
	else
		outside_entry__free_unpacked(o, NULL);
	return ret;
}
