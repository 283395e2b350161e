/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges: spanning tree on with a port that forwards, ports blocked by hand, options of bridge and ports,
 * multicast groups and forwarding entries set by hand; addresses set by hand on other links; macvlan by
 * source. */
/* modes: ns userns running twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add br0 index 30 type bridge forward_delay 200 priority 4096",
	"ip link add br1 index 31 type bridge mcast_querier 1 group_fwd_mask 8 no_linklocal_learn 1",
	"ip link set br1 address 02:00:00:00:00:31",
	"ip link add va type veth peer name vb",
	"ip link add vc type veth peer name vd",
	"ip link add ve type veth peer name vg",
	"ip link set va master br0",
	"ip link set vc master br1 && ip link set ve master br1",
	"for d in br0 br1 va vb vc vd ve vg; do ip link set $d up; done",
	"sleep 1.2", /* carriers */
	"bridge link set dev vc state 4", /* blocking */
	"ip link set va type bridge_slave guard on root_block on fastleave on learning off flood off "
	"mcast_flood off "
	"mcast_router 2 neigh_suppress on priority 9",
	"ip link set ve type bridge_slave mcast_to_unicast on bcast_flood off proxy_arp on group_fwd_mask 16",
	"ip link set br0 type bridge stp_state 1",
	"bridge mdb add dev br1 port vc grp 239.1.1.1 permanent",
	"bridge mdb add dev br1 port ve grp 239.1.1.1 permanent",
	"bridge mdb add dev br1 port ve grp ff05::77 permanent",
	"bridge mdb add dev br1 port ve grp 239.1.1.2 src 10.0.0.1 permanent",
	"bridge mdb add dev br1 port ve grp 01:00:5e:00:00:02 permanent",
	"bridge fdb add 02:00:00:00:00:78 dev va master static",
	"bridge fdb add 02:00:00:00:00:79 dev ve master permanent",
	"bridge fdb add 02:00:00:00:00:7a dev br1 self permanent",
	"bridge fdb add 02:00:00:00:00:77 dev vb self",
	"bridge fdb add 02:00:00:00:00:7b dev ve master static sticky",
	"bridge fdb add 02:00:00:00:00:7c dev ve master extern_learn",
	"ip maddr add 33:33:00:00:77:77 dev vd",
	"ip maddr add 01:00:5e:77:77:77 dev br0",
	"ip link add ms0 link vg type macvlan mode source",
	"ip link set ms0 type macvlan macaddr set 02:00:00:00:00:01 02:00:00:00:00:02",
	"ip link add mp0 link vd address 02:00:00:00:00:05 type macvlan mode vepa bcqueuelen 77",
	"ip link set mp0 up",
	"ip nexthop add id 9 via 10.0.0.9 fdb && ip nexthop add id 10 group 9 fdb",
	"ip link add vx0 type vxlan id 77 dstport 4789 local 10.0.0.1",
	"bridge fdb add 02:00:00:00:00:33 dev vx0 nhid 10",
	"ip link add vx1 type vxlan external vnifilter dstport 4790 && ip link set vx1 up",
	"bridge vni add dev vx1 vni 400-405",
	"bridge vni add dev vx1 vni 500 remote 10.3.3.3",
	NULL,
};

#define STABLE                                                                                               \
	" | sed 's/[a-z_]*_timer *[0-9.]*//g; s/topology_change[_a-z]* [01]//g; s/usedbcqueuelen [0-9]*//; " \
	"s/port_[a-z]* [0-9a-fx]*//; s/designated_port [0-9]*//'"
static const char *const state[] = {
	"for d in br0 br1 va vc ve ms0 mp0 vx0; do ip -d link show $d" STABLE "; done",
	"bridge -d link",
	"bridge -d mdb | grep permanent | sort",
	"bridge vni",
	"bridge fdb | grep 'permanent\\|static\\|extern' | grep -v ^33:33:ff | sort",
	"for d in vd br0 va; do ip maddr show dev $d | grep static; done; true",
	"ip nexthop",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	system("sleep 4.5"); /* two times forward_delay */
	if (system("bridge link show dev va | grep -q 'state forwarding'"))
		fail("the port does not forward");
	net_compare(state);
	pass();
}
