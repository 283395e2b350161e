/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* Netlink sockets: port, groups (also above 32), options, requests. */
#include "sockets.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static unsigned int port_of(int fd)
{
	struct sockaddr_nl a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		pfail("getsockname");
	return a.nl_pid;
}

static void groups_of(int fd, unsigned int map[4])
{
	socklen_t len = 16;

	memset(map, 0, 16);
	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, map, &len))
		pfail("NETLINK_LIST_MEMBERSHIPS");
}

/* The kernel answers on it. */
static void request(int fd)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = { { sizeof(req), RTM_GETLINK, NLM_F_REQUEST, 1, 0 }, { .ifi_index = 1 } };
	char buf[8192];
	struct nlmsghdr *h = (void *)buf;

	if (send(fd, &req, sizeof(req), 0) < 0 || recv(fd, buf, sizeof(buf), 0) < (ssize_t)sizeof(*h))
		pfail("request");
	if (h->nlmsg_type != RTM_NEWLINK)
		fail("answer of type %d", h->nlmsg_type);
}

int main(int argc, char **argv)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = 777001, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_ROUTE };
	unsigned int before[4], after[4], autoport;
	int bound, autob, fresh, uevent;

	test_init(argc, argv);
	bound = xsocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	autob = xsocket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	fresh = xsocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	uevent = xsocket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
	if (bind(bound, (struct sockaddr *)&a, sizeof(a)))
		pfail("bind");
	set_int(bound, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_NSID);
	set_int(bound, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, 33);
	set_int(bound, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_int(bound, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	groups_of(bound, before);
	a.nl_pid = a.nl_groups = 0;
	if (bind(autob, (struct sockaddr *)&a, sizeof(a)))
		pfail("bind");
	autoport = port_of(autob);
	a.nl_groups = 1;
	if (bind(uevent, (struct sockaddr *)&a, sizeof(a)))
		pfail("bind uevent");
	test_daemon();
	test_waitsig();
	groups_of(bound, after);
	if (port_of(bound) != 777001 || memcmp(before, after, sizeof(before)))
		fail("port %u groups %x %x, were %x %x", port_of(bound), after[0], after[1], before[0], before[1]);
	if (!get_int(bound, SOL_NETLINK, NETLINK_EXT_ACK) || !get_int(bound, SOL_NETLINK, NETLINK_GET_STRICT_CHK))
		fail("options");
	if (port_of(autob) != autoport || port_of(fresh))
		fail("ports %u (was %u) and %u", port_of(autob), autoport, port_of(fresh));
	groups_of(uevent, after);
	if (after[0] != 1)
		fail("uevent groups %x", after[0]);
	request(autob);
	request(fresh);
	pass();
}
