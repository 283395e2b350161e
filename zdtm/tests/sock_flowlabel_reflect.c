/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* modes: ns userns running twice */
/* warn: its flow label 54321, which it has not leased, is lost */
/* A connection that only reflects its peer's IPv6 flow label goes on, without it. */
#include "sockets.h"

#include <linux/in6.h>

#include "netstate.h"

static const char *const setup[] = { "ip link set lo up", "echo 0 > /proc/sys/net/ipv6/flowlabel_consistency",
				     "echo 1 > /proc/sys/net/ipv6/flowlabel_reflect", NULL };

int main(int argc, char **argv)
{
	struct in6_flowlabel_req req = { .flr_dst = in6addr_loopback,
					 .flr_label = htonl(0x54321),
					 .flr_action = IPV6_FL_A_GET,
					 .flr_share = IPV6_FL_S_EXCL,
					 .flr_flags = IPV6_FL_F_CREATE };
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_addr = in6addr_loopback,
				  .sin6_flowinfo = htonl(0x54321) };
	int l, c, s;

	test_init(argc, argv);
	net_setup(setup);
	l = xsocket(AF_INET6, SOCK_STREAM, 0);
	set_int(l, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1);
	a.sin6_port = htons(xbind_loopback(l, AF_INET6));
	xlisten(l, 3);
	c = xsocket(AF_INET6, SOCK_STREAM, 0);
	set_int(c, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1);
	if (setsockopt(c, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, sizeof(req)) ||
	    connect(c, (struct sockaddr *)&a, sizeof(a)))
		pfail("connect");
	s = xaccept(l);
	test_daemon();
	test_waitsig();
	xsend(c, "to");
	expect_recv(s, "to");
	xsend(s, "fro");
	expect_recv(c, "fro");
	pass();
}
