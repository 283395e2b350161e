/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the legacy iptables and ip6tables, with their counters, in several tables and chains. */
/* modes: ns userns twice */
#include <unistd.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"iptables-legacy -P FORWARD DROP",
	"iptables-legacy -N mine",
	"iptables-legacy -A mine -s 10.0.0.0/8 -c 7 8 -j RETURN",
	"iptables-legacy -A INPUT -i lo -p tcp -m tcp --dport 22 -c 123 4567 -j ACCEPT",
	"iptables-legacy -A INPUT -p udp -m comment --comment hello -j mine",
	"iptables-legacy -A INPUT -m limit --limit 5/min -j REJECT",
	"iptables-legacy -t mangle -A OUTPUT -d 10.9.9.9 -j MARK --set-mark 7",
	"iptables-legacy -t nat -A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE",
	"ip6tables-legacy -A INPUT -s fd00::/8 -c 5 6 -j DROP",
	NULL,
};

static const char *const state[] = {
	"iptables-legacy-save -c | grep -v '^#' | sort",
	"iptables-legacy -S",
	"iptables-legacy -t nat -S",
	"ip6tables-legacy-save -c | grep -v '^#' | sort",
	NULL,
};

int main(int argc, char **argv)
{
	setenv("XTABLES_LOCKFILE", "xtables.lock", 1); /* root of a user namespace has no other */
	test_init(argc, argv);
	if (system("iptables-legacy -S > /dev/null"))
		skip("no legacy iptables");
	net_setup(setup);
	net_compare(state);
	pass();
}
