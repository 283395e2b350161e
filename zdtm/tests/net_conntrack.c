/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracked connections: state, mark, address translation of both directions, both families. */
/* modes: ns userns twice */
#include <unistd.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"nft add table inet t",
	"nft add chain inet t c '{ type filter hook input priority 0; }'",
	"nft add rule inet t c ct state established accept",
	"nft add table ip nat",
	"nft add chain ip nat post '{ type nat hook postrouting priority 100; }'",
	"conntrack -I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 --state ESTABLISHED -t 50000 -u "
	"SEEN_REPLY,ASSURED -m 7",
	"conntrack -I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1001 --dport 80 --state SYN_SENT -t 50000",
	"conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 53 --dport 53 -t 50000 -u SEEN_REPLY",
	"conntrack -I -p tcp -s 10.1.0.1 -d 10.0.0.2 --sport 1000 --dport 81 --state ESTABLISHED -t 50000 -u "
	"SEEN_REPLY,ASSURED -n 192.0.2.1:5555",
	"conntrack -I -p tcp -s 10.1.0.1 -d 10.0.0.2 --sport 1000 --dport 82 --state ESTABLISHED -t 50000 -u "
	"SEEN_REPLY,ASSURED -g 10.0.0.77:8082",
	"conntrack -I -p tcp -s fd00::1 -d fd00::2 --sport 1000 --dport 80 --state ESTABLISHED -t 50000",
	NULL,
};

/* Without the seconds left. */
static const char *const state[] = {
	"conntrack -L 2>/dev/null | sed 's/ [0-9]\\{4,5\\} / /' | sort",
	"conntrack -L -f ipv6 2>/dev/null | sed 's/ [0-9]\\{4,5\\} / /' | sort",
	"conntrack -L -n 2>/dev/null | wc -l",
	"conntrack -L -g 2>/dev/null | wc -l",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	if (system("command -v conntrack > /dev/null"))
		skip("no conntrack tool");
	net_setup(setup);
	net_compare(state);
	pass();
}
