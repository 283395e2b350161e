/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns twice */
/* A socket that is told of changes of the ruleset and of tracked connections hears nothing of the restore. */
#include "sockets.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"nft add table inet t",
	"nft add chain inet t c '{ type filter hook input priority 0; }'",
	"nft add rule inet t c ct state established accept",
	"conntrack -I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 50000",
	NULL,
};
static const char *const change[] = { "nft add rule inet t c drop", NULL };

int main(int argc, char **argv)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	char byte;
	int fd;

	test_init(argc, argv);
	if (system("command -v conntrack nft > /dev/null"))
		skip("no conntrack tool or nft");
	net_setup(setup);
	fd = xsocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		pfail("bind");
	set_int(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES);
	set_int(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_NEW);
	test_daemon();
	test_waitsig();
	expect_empty(fd);
	net_setup(change);
	if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
		pfail("news of a change");
	pass();
}
