/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns twice */
/* nftables: helpers, timeouts and expectations of tracked connections, maps of stateful objects, expressions
 * that write, sets with thousands of intervals. */
#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"nft -f - <<'END'\n"
	"table inet fw {\n"
	"	ct helper ftp { type \"ftp\" protocol tcp; }\n"
	"	ct timeout slow { protocol tcp; policy = { established : 1000, close : 7 }; }\n"
	"	ct expectation exp1 { protocol tcp; dport 9876; timeout 2m; size 8; l3proto ip; }\n"
	"	counter c1 { packets 1 bytes 2 }\n"
	"	counter c2 { packets 3 bytes 4 }\n"
	"	quota q1 { over 100 mbytes }\n"
	"	limit l1 { rate 7/hour burst 3 packets }\n"
	"	map cmap { type inet_service : counter; elements = { 1 : \"c1\", 2 : \"c2\" } }\n"
	"	map qmap { type inet_service : quota; elements = { 1 : \"q1\" } }\n"
	"	map lmap { type inet_service : limit; elements = { 1 : \"l1\" } }\n"
	"	map nets { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.0.0.0/8 "
	". 1-100 : drop, "
	"11.0.0.0/8 . 7 : accept } }\n"
	"	set any { type ipv4_addr; flags interval; counter; elements = { *, 10.0.0.1 } }\n"
	"	chain through {\n"
	"		type filter hook forward priority 0; policy accept;\n"
	"	}\n"
	"}\n"
	"END",
	"nft 'add rule inet fw through ip saddr . tcp dport vmap @nets'",
	"nft 'add rule inet fw through ip saddr @any counter packets 9 bytes 10'",
	"nft 'add rule inet fw through numgen inc mod 3 vmap { 0 : accept, 1 : drop }'",
	"nft 'add rule inet fw through jhash ip saddr mod 2 seed 0x7 vmap { 0 : drop }'",
	"nft 'add rule inet fw through meta mark set ct mark'",
	"nft 'add rule inet fw through fib saddr . iif oif missing drop'",
	"nft 'add rule inet fw through tcp option maxseg size set rt mtu'",
	"nft 'add rule inet fw through tcp flags syn / syn,ack tcp option sack-perm exists accept'",
	"nft 'add rule inet fw through ct count over 3 drop'",
	"nft 'add rule inet fw through reset tcp option sack-perm'",
	"nft add rule inet fw through counter name tcp dport map @cmap",
	"nft add rule inet fw through quota name tcp dport map @qmap drop",
	"nft add rule inet fw through limit name tcp dport map @lmap drop",
	"nft add rule inet fw through 'ct timeout set \"slow\"'",
	"nft add rule inet fw through 'tcp dport 21 ct helper set \"ftp\"'",
	"nft add rule inet fw through 'ct expectation set \"exp1\"'",
	"nft add set inet fw many '{ type ipv4_addr; flags interval; }'",
	"nft add element inet fw many \"{ $(for i in $(seq 0 39); do for j in $(seq 0 49); do echo -n "
	"10.$i.$((j * 4)).0/23,; done; done) }\"",
	NULL,
};

static const char *const state[] = { "nft list ruleset", NULL };

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	net_compare(state);
	pass();
}
