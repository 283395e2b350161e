/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links: veth pair, bridge with a port, macvlan, vxlan, ifb; index, name, MAC, mtu, queue length, flags,
 * group. */
/* modes: ns userns twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va index 40 type veth peer name vb index 39",
	"ip link set va address 02:00:00:00:00:aa mtu 1400 txqueuelen 123",
	"ip link set va alias 'some alias'",
	"ip link property add dev va altname another-rather-long-name",
	"ip link set vb multicast off allmulticast on group 7 up",
	"ip link add br0 index 30 type bridge ageing_time 4242 priority 4097 mcast_snooping 0",
	"ip link set va master br0 up",
	"ip link set va type bridge_slave hairpin on cost 99 isolated on",
	"ip link set br0 up",
	"ip link add mv0 link vb type macvlan mode private",
	"ip link set mv0 up",
	"ip link add vx0 type vxlan id 77 remote 10.9.9.9 dstport 4789 dev br0 ttl 9",
	"bridge fdb append 02:00:00:00:00:01 dev vx0 dst 10.9.9.10",
	"ip link add ifb9 type ifb",
	NULL,
};

/* What changes by itself: timers, and what a driver computes from the links below at its birth. */
#define STABLE                                                                                       \
	" | sed 's/[a-z_]*_timer *[0-9.]*//g; s/qdisc [a-z]*//; s/state [A-Z]*//; s/usedbcqueuelen " \
	"[0-9]*//; s/tso_max_size [0-9]*//'"

static const char *const state[] = {
	"ip -d link show va" STABLE,  "ip -d link show vb" STABLE,
	"ip -d link show br0" STABLE, "ip -d link show mv0" STABLE,
	"ip -d link show vx0" STABLE, "ip -d link show ifb9" STABLE,
	"bridge fdb show dev vx0",    NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	net_compare(state);
	pass();
}
