/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns */
/* refuse: has leased the flow label 12345 for its process or user alone, which cannot */
/* An IPv6 flow label that is leased for one process cannot be leased by another for it. */
#include "sockets.h"

#include <linux/in6.h>

int main(int argc, char **argv)
{
	struct in6_flowlabel_req req = { .flr_dst = in6addr_loopback,
					 .flr_label = htonl(0x12345),
					 .flr_action = IPV6_FL_A_GET,
					 .flr_share = IPV6_FL_S_PROCESS,
					 .flr_flags = IPV6_FL_F_CREATE };
	int fd = xsocket(AF_INET6, SOCK_DGRAM, 0);

	test_init(argc, argv);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, sizeof(req)))
		pfail("IPV6_FLOWLABEL_MGR");
	test_daemon();
	test_waitsig();
	req.flr_action = IPV6_FL_A_PUT;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, sizeof(req)))
		pfail("the lease is gone");
	pass();
}
