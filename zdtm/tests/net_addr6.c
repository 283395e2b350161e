/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More of addresses and routes: temporary and optimistic addresses, labels of prefixes, token, encapsulation,
 * metrics, source routes, all kinds of rules, neighbours by hand. */
/* modes: ns twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va type veth peer name vb",
	"ip link set va up; ip link set vb up; ip link set lo up",
	"ip addr add 10.1.1.9/24 brd 10.1.1.77 dev va metric 55",
	"ip addr add 10.1.0.9/24 brd + dev va",
	"ip addr add 10.1.0.3/24 dev va label va:x noprefixroute",
	"ip addr add fd00:1::5/64 dev va nodad valid_lft 5000 preferred_lft 4000",
	"ip addr add fd00:1::6/64 dev va nodad home",
	"ip addr add fd00:1::7/64 dev va nodad mngtmpaddr",
	"ip addr add fd00:1::8/64 dev va optimistic",
	"ip addr add fd00:5::8/128 peer fd00:5::9/128 dev va nodad",
	"ip addr add fd00:6::8/64 dev va nodad preferred_lft 0",
	"ip addr add 239.1.1.1/32 dev va autojoin",
	"ip addrlabel add prefix fd00:9::/64 label 99",
	"ip addrlabel del prefix 2002::/16 label 2 ",
	"ip token set ::77 dev va",
	"ip -6 route add fd00:20::/64 dev va expires 500",
	"ip -6 route add fd00:21::/64 via fd00:1::9 pref high mtu lock 1400 hoplimit 33 quickack 1 rto_min "
	"300ms initcwnd 7 initrwnd 8 features ecn congctl bbr",
	"ip -6 route add fd00:22::/64 from fd00:1::/64 via fd00:1::9",
	"ip -6 route add throw fd00:23::/64 table 9",
	"ip -6 route add prohibit fd00:24::/64",
	"ip -6 route add blackhole fd00:25::/64 metric 8",
	"ip route add throw 10.23.0.0/16 table 9",
	"ip route add prohibit 10.24.0.0/16",
	"ip route add local 10.30.0.0/24 dev lo",
	"ip -6 route add local fd00:30::/64 dev lo",
	"ip -6 route add anycast fd00:31::1 dev va",
	"ip route add multicast 232.0.0.0/8 dev va",
	"ip route add broadcast 10.31.0.255 dev va",
	"ip -6 route add multicast ff15::/16 dev va",
	"ip link add vx1 type vxlan external dstport 4790 && ip link set vx1 up",
	"ip route add 10.44.0.0/16 encap ip id 5 dst 10.9.9.9 src 10.1.1.9 ttl 9 tos 4 key csum dev vx1",
	"ip route add 10.47.0.0/16 encap ip id 7 vxlan_opts 456 dst 10.9.9.9 dev vx1",
	"ip -6 route add fd00:47::/64 encap ip6 id 7 vxlan_opts 456 dst fd00:9::9 dev vx1",
	"ip route add 10.48.0.0/16 nexthop encap ip id 5 vxlan_opts 9 dst 10.9.9.9 dev vx1 nexthop via "
	"10.1.1.4 dev va",
	"ip nexthop add id 30 encap ip id 9 vxlan_opts 8 dst 10.9.9.9 dev vx1",
	"ip route add 10.49.0.0/16 nhid 30",
	"ip route add 10.40.0.0/16 encap seg6 mode encap segs fd00::1 dev va",
	"ip -6 route add fd00:40::/64 encap seg6 mode encap segs fd00::1,fd00::2 dev va",
	"ip -6 route add fd00:41::1 encap seg6local action End.X nh6 fd00:1::9 dev va",
	"ip route add 10.41.0.0/16 nexthop via 10.1.0.4 dev va weight 3 onlink nexthop via inet6 fd00:1::77 "
	"dev va weight 9",
	"ip nexthop add id 5 via 10.1.0.4 dev va",
	"ip nexthop add id 6 blackhole",
	"ip nexthop add id 7 via fd00:1::4 dev va onlink",
	"ip nexthop add id 8 group 7 type resilient buckets 32 idle_timer 50",
	"ip -6 route add fd00:43::/64 nhid 7",
	"ip -6 route add fd00:44::/64 nhid 8",
	"ip route add 10.43.0.0/16 nhid 7",
	"ip rule add uidrange 1000-2000 lookup 77 pref 101",
	"ip rule add oif vb sport 1-2 lookup 78 pref 102",
	"ip rule add tun_id 5 lookup 78 pref 103",
	"ip rule add fwmark 1 goto 32766 pref 104",
	"ip rule add l3mdev pref 105",
	"ip rule add from all suppress_ifgroup 7 lookup main pref 106",
	"ip rule add nop pref 107",
	"ip rule add tos 0x10 lookup 7 pref 108",
	"ip rule add dsfield 0x10 ipproto udp blackhole pref 109",
	"ip -6 rule add from fd00::/8 to fd01::/16 unreachable pref 110",
	"ip -6 rule add fwmark 1 goto 32766 pref 111",
	"ip rule add iif notyet lookup 9 pref 112",
	"ip rule add goto 500 pref 113",
	"ip neigh add 10.1.0.99 lladdr 02:00:00:00:00:99 dev va nud noarp",
	"ip neigh add 10.1.0.98 lladdr 02:00:00:00:00:98 dev va extern_learn",
	"ip neigh add 10.1.0.97 dev va managed",
	"ip neigh add proxy fd00:1::200 dev va",
	"ip neigh add 10.1.0.96 lladdr 02:00:00:00:00:96 dev va protocol 77 nud permanent router",
	"ip neigh add fd00:1::96 lladdr 02:00:00:00:00:96 dev va nud permanent router",
	"ip ntable change name arp_cache dev va queue 7",
	"echo 0x5 > /proc/sys/net/ipv6/conf/va/ndisc_tclass ",
	"ip route add 10.21.0.0/16 via 10.1.0.1 quickack 1 rto_min 300ms initcwnd 7 congctl lock bbr "
	"features ecn fastopen_no_cookie 1 src 10.1.0.9",
	"ip -6 route add fd00:42::/64 nexthop via fd00:1::18 dev va weight 3 nexthop via fd00:1::9 dev va "
	"weight 200",
	"ip nexthop add id 20 encap seg6 mode encap segs fd00::1 via inet6 fd00:1::9 dev va",
	"ip -6 route add fd00:45::/64 nhid 20",
	"ip sr tunsrc set fd00:99::1",
	/* asked for at a terminal, if one can be opened */
	"mkdir /dev/tty && echo secret | ip sr hmac set 17 sha256 > /dev/null && rmdir /dev/tty",
	NULL,
};

#define TIMES " | sed 's/\\([0-9]\\)[0-9][0-9]*sec/\\1-sec/g; s/unbalanced_time [0-9.]*//'"
static const char *const state[] = {
	"ip -d addr" TIMES " | grep inet",
	"ip addrlabel | sort",
	"ip -d rule",
	"ip -6 -d rule",
	"ip -d route show table all" TIMES,
	"ip -6 -d route show table all" TIMES " | sort",
	"ip -d nexthop" TIMES,
	"ip -d neigh show nud all | grep -v '01:00:5e\\|33:33' | sort",
	"ip neigh show proxy; ip -6 neigh show proxy",
	"ip token show dev va",
	"ip sr tunsrc show; ip sr hmac show",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_test(setup, state);
}
