/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing rules for ranges of user ids: ids of the user namespace, and in force for them. */
/* modes: ns userns twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"ip link add va type veth peer name vb; ip link set va up; ip link set vb up",
	"ip addr add 10.1.0.2/24 dev va",
	"ip addr add fd00:1::2/64 dev va nodad",
	"ip rule add uidrange 100-200 lookup 77 pref 101",
	"ip -6 rule add uidrange 0-0 lookup 78 pref 103",
	"ip route add 10.9.0.0/16 via 10.1.0.7 table 77",
	"ip route add 10.9.0.0/16 via 10.1.0.8",
	"ip -6 route add fd00:9::/64 via fd00:1::7 table 78",
	"ip -6 route add fd00:9::/64 via fd00:1::8",
	"ip rule add not uidrange 0-0 iif lo blackhole pref 102",
	NULL,
};

static const char *const state[] = {
	"ip rule",
	"ip -6 rule",
	"ip route get 10.9.0.1 uid 100 | head -1",
	"ip route get 10.9.0.1 uid 0 | head -1",
	"ip route get 10.9.0.1 uid 300 2>&1; true",
	"ip -6 route get fd00:9::1 uid 0 | head -1 | sed 's/src .*//'",
	"ip -6 route get fd00:9::1 uid 100 | head -1 | sed 's/src .*//'",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	net_settle("");
	net_compare(state);
	pass();
}
