/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network namespace that is on its way out says nothing more. Its sockets are gone with its tasks,
 * but the kernel takes it apart some time later (cleanup_net), and removes packet filters before the
 * links: until then it would answer peers with resets and "unreachable". So links go down first, in
 * the lock.
 */
#include <fcntl.h>
#include <linux/if.h>

#include "base/log.h"
#include "base/procfs.h"
#include "net/link.h"

static int link_down(struct rtnl *rt, const struct link_info *l)
{
	const struct ifinfomsg ifi = { .ifi_index = l->ifi->ifi_index, .ifi_change = IFF_UP };
	struct rtnl_req q;

	if (!(l->ifi->ifi_flags & IFF_UP) || (l->ifi->ifi_flags & IFF_LOOPBACK))
		return 0;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	return link_do(rt, &q, l->name, "down");
}

/*
 * Is the socket in our own network namespace? Asked of the kernel (SO_NETNS_COOKIE, Linux 5.14), as
 * what follows must never be done to the host, whatever number a descriptor has.
 */
bool rtnl_is_our_own(const struct rtnl *rt)
{
	_cleanup_rtnl_ struct rtnl own = { .fd = -1 };
	uint64_t theirs, ours;
	socklen_t len = sizeof(ours);

	return rtnl_open(-1, &own) < 0 || getsockopt(own.fd, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len) < 0 ||
	       getsockopt(rt->fd, SOL_SOCKET, SO_NETNS_COOKIE, &theirs, &len) < 0 || ours == theirs;
}

int links_down(struct rtnl *rt)
{
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	int ret = rtnl_is_our_own(rt) ? -EXDEV : 0;

	if (ret == 0)
		ret = rtnl_list_family(rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), &m);

	for (size_t i = 0; i < m.n && ret >= 0; i++) {
		struct link_info l;

		ret = link_parse(m.v[i], &l);
		if (ret >= 0)
			ret = link_down(rt, &l);
	}
	return ret;
}

/* Does any process live in the network namespace @ino? Zombies are in none. */
static bool inhabited(uint64_t ino)
{
	_cleanup_free_ int *pids = NULL;
	size_t n = 0;

	if (proc_list(AT_FDCWD, "/proc", &pids, &n) < 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		uint64_t other;

		if (proc_ns_ino(pids[i], "net", &other) >= 0 && other == ino)
			return true;
	}
	return false;
}

const char *phys_of_host(const struct dump *d, const struct ns *ns, const char *name)
{
	size_t i = 0;

	while (i < d->n_ns && d->ns[i]->kind != NS_NET)
		i++;
	return i < d->n_ns && d->ns[i] == ns ? options_external(d->opt, "netdev", name) : NULL;
}

/* Devices of the host, by --external netdev[NAME]:HOSTDEV, go back before the namespace takes them along. */
static int give_back(struct dump *d, const struct ns *ns, struct rtnl *rt)
{
	_cleanup_close_ int host = RET_NERRNO(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	_cleanup_rtnl_msgs_ struct rtnl_msgs m = { 0 };
	int ret =
		host < 0 ? host : rtnl_list_family(rt, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), &m);

	for (size_t i = 0; i < m.n && ret >= 0; i++) {
		struct ifinfomsg ifi = { .ifi_change = IFF_UP };
		const char *name;
		struct link_info l;
		struct rtnl_req q;

		ret = link_parse(m.v[i], &l);
		name = ret < 0 ? NULL : phys_of_host(d, ns, l.name);
		if (!name || !*name)
			continue;
		ifi.ifi_index = l.ifi->ifi_index;
		rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
		rtnl_put(&q, IFLA_NET_NS_FD, &host, 4);
		rtnl_put_str(&q, IFLA_IFNAME, name);
		ret = rtnl_do(rt, &q);
		if (ret == -ENODEV) /* LXC's monitor or the warden was first */
			ret = 0;
		if (ret < 0)
			log_errno(ret, "link %s: give it back to the host as %s", l.name, name);
	}
	return ret;
}

int net_quiet(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; i < d->n_ns; i++) {
		_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
		int err;

		if (d->ns[i]->kind != NS_NET || d->ns[i]->fd < 0 || inhabited(d->ns[i]->ino))
			continue;
		err = rtnl_open(d->ns[i]->fd, &rt);
		if (err >= 0)
			err = give_back(d, d->ns[i], &rt);
		if (err >= 0)
			err = links_down(&rt);
		if (err < 0)
			ret = log_errno(err, "network namespace %u: take its links down", d->ns[i]->id);
	}
	return ret;
}
