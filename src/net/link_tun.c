/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tun and tap interfaces (drivers/net/tun.c). rtnetlink shows them and cannot make them: they are made
 * by an ioctl on /dev/net/tun, persistent at first, so that they wait for their descriptors
 * (file/tun.c), which make them transient again if they were.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"

#define TUN_DEVICE "/dev/net/tun"

struct making {
	struct ifreq ifr;
	unsigned int index;
	uint32_t owner, group; /* UINT32_MAX: nobody */
};

static int make_inside(void *arg)
{
	struct making *k = arg;
	_cleanup_close_ int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFINDEX, &k->index) < 0 || ioctl(fd, TUNSETIFF, &k->ifr) < 0 ||
	    ioctl(fd, TUNSETPERSIST, 1) < 0)
		return -errno;
	if (k->owner != UINT32_MAX && ioctl(fd, TUNSETOWNER, k->owner) < 0)
		return -errno;
	if (k->group != UINT32_MAX && ioctl(fd, TUNSETGROUP, k->group) < 0)
		return -errno;
	return 0;
}

static int tun_make(struct restore *r, struct rnet *n, const LinkEntry *m)
{
	const struct nlattr *tb[IFLA_TUN_MAX + 1] = { 0 };
	struct making k = { .index = m->index };
	int ret =
		rtnl_attrs_raw(m->info_data.data, m->has_info_data ? m->info_data.len : 0, tb, IFLA_TUN_MAX);

	if (ret < 0)
		return log_errno(ret, "image: link %s", m->name);
	strncpy(k.ifr.ifr_name, m->name, IFNAMSIZ - 1);
	k.ifr.ifr_flags = rtnl_u8(tb[IFLA_TUN_TYPE], IFF_TUN) == IFF_TAP ? IFF_TAP : IFF_TUN;
	if (!rtnl_u8(tb[IFLA_TUN_PI], 1))
		k.ifr.ifr_flags |= IFF_NO_PI;
	if (rtnl_u8(tb[IFLA_TUN_VNET_HDR], 0))
		k.ifr.ifr_flags |= IFF_VNET_HDR;
	if (rtnl_u8(tb[IFLA_TUN_MULTI_QUEUE], 0))
		k.ifr.ifr_flags |= IFF_MULTI_QUEUE;
	k.owner = rtnl_u32(tb[IFLA_TUN_OWNER], UINT32_MAX);
	k.group = rtnl_u32(tb[IFLA_TUN_GROUP], UINT32_MAX);
	ret = netns_call(n->ns_fd, make_inside, &k);
	if (ret < 0)
		return log_errno(ret, "link %s: create by " TUN_DEVICE, m->name);
	return link_set_attrs(n, m);
}

const struct link_ops link_tun = { .kind = "tun", .make = tun_make };
