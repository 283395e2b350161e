/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An nftables ruleset: tables of several families, sets and maps with intervals, times and counters, objects,
 * jumps. */
/* modes: ns userns running twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"nft -f - <<'END'\n"
	"table inet fw {\n"
	"	comment \"a comment\"\n"
	"	counter hits { packets 5 bytes 77 }\n"
	"	quota q { over 9000 bytes used 77 bytes }\n"
	"	limit lim { rate 10/second burst 7 packets }\n"
	"	set ports { type inet_service; flags interval; elements = { 22, 80-90, 1000-2000 } }\n"
	"	set nets { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, "
	"192.168.1.0/24 } }\n"
	"	set seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; size 128; }\n"
	"	set pairs { type ipv4_addr . inet_service; elements = { 10.1.1.1 . 80, 10.1.1.2 . 443 "
	"comment \"x\" } }\n"
	"	set conc { type ipv4_addr . inet_service; flags interval; elements = { 10.1.0.0/16 . 80-90 } "
	"}\n"
	"	set counted { type ipv4_addr; counter; elements = { 10.9.9.9 counter packets 3 bytes 4 } }\n"
	"	map marks { type ipv4_addr : mark; elements = { 10.0.0.1 : 0x1, 10.0.0.2 : 0x2 } }\n"
	"	map verdicts { type inet_service : verdict; elements = { 81 : drop, 82 : jump other } }\n"
	"	chain input {\n"
	"		type filter hook input priority 10; policy accept;\n"
	"		iif lo counter packets 11 bytes 12 accept comment \"loop\"\n"
	"		ip saddr { 10.5.0.1, 10.5.0.2, 10.6.0.0/16 } tcp dport @ports accept\n"
	"		tcp dport vmap { 21 : drop, 23 : goto other, 25-30 : jump other }\n"
	"		tcp dport vmap @verdicts\n"
	"		ip saddr . tcp dport @pairs counter name hits\n"
	"		meta mark set ip saddr map @marks\n"
	"		ct state established,related accept\n"
	"		limit rate over 5/minute burst 3 packets reject with icmpx admin-prohibited\n"
	"		log prefix \"x: \" group 2\n"
	"		udp dport 53 add @seen { ip saddr timeout 30m }\n"
	"		quota name \"q\" drop\n"
	"	}\n"
	"	chain other { return; }\n"
	"}\n"
	"table ip nat {\n"
	"	chain post { type nat hook postrouting priority srcnat; ip saddr 10.0.0.0/8 masquerade; }\n"
	"	chain pre { type nat hook prerouting priority dstnat; tcp dport 8080 dnat to 10.0.0.7:80; }\n"
	"}\n"
	"table arp a { chain in { type filter hook input priority 0; arp operation request accept; }; }\n"
	"table netdev nd { chain ing { type filter hook ingress device lo priority 0; policy accept; }; }\n"
	"table ip6 asleep { flags dormant; chain c { type filter hook input priority 0; policy drop; }; }\n"
	"END",
	"iptables-nft -A INPUT -p tcp -m conntrack --ctstate NEW -m multiport --dports 1,2,3 -m comment "
	"--comment hello -j ACCEPT",
	NULL,
};

static const char *const state[] = { "nft list ruleset", "nft list set inet fw ports", NULL };

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	net_compare(state);
	pass();
}
