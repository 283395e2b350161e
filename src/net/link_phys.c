/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * phys: a device without a kind, moved in from the host (LXC's "phys" network), and any link that
 * --external netdev[NAME]:HOSTDEV says is to be a device of the host. It is moved in, renamed, and
 * gets its index (IFLA_NEW_IFINDEX). NAME is one of the container's first network namespace.
 * A namespace that ends takes virtual devices with it, and gives others back under names of its own making;
 * LXC's monitor gives back what it moved in itself, so not after a restore. So each device has a *warden*,
 * a process that outlives us, has the namespace open, and gives the device back as it was when the
 * container's init has ended: in a restore that fails or is killed, too. A dump that kills gives back those
 * of which it was told by the same option, and neither minds who was first.
 */
#include <linux/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/outlive.h"
#include "base/syscalls.h"
#include "net/link.h"

#define GIVE_BACK_MS 10000
#define RETURN_TRIES 100 /* times 10 ms: until the warden of who had it before has given it back */

struct warden {
	struct moved_in v;
	struct rtnl rt; /* in the namespace, which it keeps */
	int host, init, sock; /* sock: a byte says that the restore is through */
};

static int phys_find(struct restore *r, const LinkEntry *m, struct nlmsghdr **ret)
{
	const char *dev = options_external(r->opt, "netdev", m->name);
	int err = -ENODEV;

	if (!dev || !dev[0]) {
		log_error("link %s: a device of the host; give --external netdev[%s]:HOSTDEV", m->name,
			  m->name);
		return -EINVAL;
	}
	for (int i = 0; i < RETURN_TRIES && err == -ENODEV; i++) {
		if (i)
			poll(NULL, 0, 10);
		err = rtnl_link(&r->net->host, dev, 0, ret);
	}
	if (err < 0)
		return log_errno(err,
				 "link %s: device %s of the host; it may be in another container: stop that, "
				 "or give --external netdev[%s]:HOSTDEV",
				 m->name, dev, m->name);
	return 0;
}

/* A bridge, bond or the like would lose it without a word. */
static int phys_plan(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	_cleanup_free_ struct nlmsghdr *h = NULL, *up = NULL;
	struct link_info l, master;
	int ret = phys_find(r, m, &h);

	if (ret == 0)
		ret = link_parse(h, &l);
	if (ret < 0 || !rtnl_u32(l.tb[IFLA_MASTER], 0))
		return ret;
	ret = rtnl_link(&r->net->host, NULL, rtnl_u32(l.tb[IFLA_MASTER], 0), &up);
	if (ret == 0)
		ret = link_parse(up, &master);
	log_error("link %s: device %s of the host is in use, as a port of %s; ip link set %s nomaster",
		  m->name, l.name, ret < 0 ? "another" : master.name, l.name);
	return -EBUSY;
}

static struct moved_in what_it_was(const struct link_info *l, const LinkEntry *m)
{
	struct moved_in v = { .index = m->index,
			      .host_index = l->ifi->ifi_index,
			      .mtu = rtnl_u32(l->tb[IFLA_MTU], 0),
			      .up = l->ifi->ifi_flags & IFF_UP };

	strncpy(v.name, l->name, IFNAMSIZ - 1);
	if (l->tb[IFLA_ADDRESS]) {
		v.address_len = MIN(mnl_attr_get_payload_len(l->tb[IFLA_ADDRESS]), sizeof(v.address));
		memcpy(v.address, mnl_attr_get_payload(l->tb[IFLA_ADDRESS]), v.address_len);
	}
	return v;
}

static int give_back(struct warden *w, const char *name, bool index)
{
	const struct moved_in *v = &w->v;
	const struct ifinfomsg ifi = { .ifi_index = v->index,
				       .ifi_flags = v->up ? IFF_UP : 0,
				       .ifi_change = IFF_UP };
	struct rtnl_req q;

	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_NET_NS_FD, &w->host, 4);
	rtnl_put_str(&q, IFLA_IFNAME, name);
	if (index)
		rtnl_put(&q, IFLA_NEW_IFINDEX, &v->host_index, 4);
	if (v->mtu)
		rtnl_put(&q, IFLA_MTU, &v->mtu, 4);
	if (v->address_len)
		rtnl_put(&q, IFLA_ADDRESS, v->address, v->address_len);
	return rtnl_do(&w->rt, &q);
}

/*
 * In the warden. Once the restore was through the device comes back down, as it does from LXC. Index and
 * name may belong to others by now.
 */
static void warden_main(void *arg)
{
	struct warden *w = arg;
	struct pollfd p = { .fd = w->init, .events = POLLIN };
	char byte;
	int ret;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return;
	if (recv(w->sock, &byte, 1, MSG_DONTWAIT) == 1)
		w->v.up = false;
	ret = give_back(w, w->v.name, true);
	if (ret == -EBUSY || ret == -EEXIST)
		ret = give_back(w, w->v.name, false);
	if (ret == -EEXIST)
		(void)give_back(w, "phys%d", false);
}

/* Before the move, so that there is no moment at which nobody would give it back. */
static int warden_start(struct restore *r, struct rnet *n, const struct moved_in *v)
{
	_cleanup_close_ int init = RET_NERRNO(sys_pidfd_open(r->tasks[0].pid, 0));
	_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
	struct net_store *s = r->net;
	int ends[2], ret = init < 0 ? init : rtnl_open(n->ns_fd, &rt);
	struct warden w;

	if (ret < 0)
		return ret;
	if (!GROW(s->in, s->n_in))
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	w = (struct warden){ .v = *v, .rt = rt, .host = s->host_fd, .init = init, .sock = ends[1] };
	ret = outlive("ctcr-warden", warden_main, &w, (int[]){ rt.fd, w.host, init, ends[1] }, 4);
	close(ends[1]);
	if (ret < 0) {
		close(ends[0]);
		return ret;
	}
	s->in[s->n_in++] = ends[0];
	return 0;
}

/* The tasks are dead: the wardens are at work, and their ends of the sockets close when they are done. */
void phys_undo(struct restore *r)
{
	struct net_store *s = r->net;

	for (size_t i = 0; i < s->n_in; i++) {
		struct pollfd p = { .fd = s->in[i], .events = POLLIN };

		if (poll(&p, 1, GIVE_BACK_MS) == 0)
			log_warn("a device of the host that was moved into the container is not back yet");
	}
	phys_done(r);
}

void phys_finish(struct restore *r)
{
	struct net_store *s = r->net;

	for (size_t i = 0; i < s->n_in; i++)
		if (send(s->in[i], "", 1, MSG_NOSIGNAL) < 0)
			log_warn("the warden of a device of the host is gone; the device is not given back");
}

void phys_done(struct restore *r)
{
	struct net_store *s = r->net;

	for (size_t i = 0; i < s->n_in; i++)
		close(s->in[i]);
	free(s->in);
	s->in = NULL;
	s->n_in = 0;
}

static int phys_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	struct ifinfomsg ifi = { .ifi_change = IFF_UP };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct moved_in v;
	struct link_info l;
	struct rtnl_req q;
	int ret = phys_find(r, m, &h);

	if (ret == 0)
		ret = link_parse(h, &l);
	if (ret != 0)
		return ret;
	v = what_it_was(&l, m);
	ret = warden_start(r, n, &v);
	if (ret < 0)
		return log_errno(ret, "link %s: the warden of device %s", m->name, l.name);
	ifi.ifi_index = l.ifi->ifi_index;
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	rtnl_put(&q, IFLA_NET_NS_FD, &n->ns_fd, 4);
	rtnl_put_str(&q, IFLA_IFNAME, m->name);
	rtnl_put(&q, IFLA_NEW_IFINDEX, &m->index, 4);
	ret = link_do(&r->net->host, &q, m->name, "move the host's device in");
	if (ret < 0)
		return ret;
	return link_set_attrs(n, m);
}

bool phys_given(const struct restore *r, const struct rnet *n, const LinkEntry *m)
{
	return n == r->net->nets && options_external(r->opt, "netdev", m->name);
}

const struct link_ops link_phys = { .kind = "phys", .plan = phys_plan, .make = phys_make };
