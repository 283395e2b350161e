/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes of all tables and kinds, nexthop objects, rules (default ones removed), permanent and proxy
 * neighbours. */
/* modes: ns userns twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va type veth peer name vb",
	"ip link set va up",
	"ip link set vb up",
	"ip addr add 10.1.0.2/24 dev va",
	"ip addr add fd00:1::2/64 dev va nodad",
	"ip route add default via 10.1.0.1",
	"ip route add default via 10.1.0.8 metric 500",
	"ip route add 10.50.0.0/16 nexthop via 10.1.0.4 weight 2 nexthop via 10.1.0.5",
	"ip route add blackhole 10.51.0.0/16",
	"ip route add unreachable 10.52.0.0/16 metric 9",
	"ip route add 10.60.0.0/24 via 10.1.0.6 table 77",
	"ip route add 192.0.2.1 dev va",
	"ip route add 10.61.0.0/24 via 192.0.2.1 mtu lock 1300 window 4000 advmss 1000",
	"ip route add 10.62.0.0/24 via 203.0.113.9 dev va onlink",
	"ip route append 10.62.0.0/24 via 10.1.0.9",
	"ip route add 10.63.0.0/24 dev va tos 8 src 10.1.0.2",
	"ip route add 10.64.0.0/24 via inet6 fd00:1::77 dev va",
	"ip -6 route add default via fd00:1::1",
	"ip -6 route add fd00:9::/64 via fd00:1::9 metric 7",
	"ip -6 route add fd00:8::/64 nexthop via fd00:1::8 nexthop via fd00:1::9",
	"ip -6 route add unreachable fd00:7::/64",
	"ip nexthop add id 5 via 10.1.0.4 dev va",
	"ip nexthop add id 6 via 10.1.0.5 dev va",
	"ip nexthop add id 3 group 5/6,3",
	"ip route add 10.70.0.0/16 nhid 3",
	"ip route del 10.1.0.0/24 dev va proto kernel && ip route add 10.1.0.0/25 dev va",
	"ip rule add from 10.1.0.3 table 77 pref 100",
	"ip rule add fwmark 0x5/0xff iif va lookup 77 suppress_prefixlength 0 pref 90",
	"ip rule add not to 10.9.0.0/16 ipproto tcp dport 80-90 prohibit pref 80",
	"ip -6 rule add fwmark 5 table 78 pref 200",
	"ip rule add pref 10 lookup local",
	"ip rule del pref 0",
	"ip neigh add 10.1.0.99 lladdr 02:00:00:00:00:99 dev va",
	"ip neigh add fd00:1::99 lladdr 02:00:00:00:00:98 dev va",
	"ip neigh add proxy 10.1.0.200 dev va",
	NULL,
};

static const char *const state[] = {
	"ip route show table all type unicast",
	"ip route show table all type blackhole; ip route show table all type unreachable",
	"ip route show table local",
	"ip -6 route show table all | grep -v '^\\(fe80\\|ff00\\|local\\|multicast\\|anycast\\)'",
	"ip -6 route show table all | sort",
	"ip nexthop",
	"ip rule",
	"ip -6 rule",
	"ip neigh show nud permanent",
	"ip neigh show proxy",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_test(setup, state);
}
