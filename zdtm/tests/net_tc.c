/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic control: disciplines (root, below classes, ingress, clsact), htb classes, u32 filters with tables,
 * links and mirred actions, table ids that are not those of new lists; what is below a link of two queues. */
/* modes: ns userns running twice */
#include "netstate.h"

#define FILTER(dev, ...) "tc filter add dev " dev " " __VA_ARGS__

static const char *const setup[] = {
	"ip link add va index 90 type veth peer name vb",
	"ip link add ifb7 index 50 type ifb",
	"ip link set va up && ip link set vb up && ip link set ifb7 up",
	"tc qdisc add dev va root handle 1: htb default 20 r2q 5 direct_qlen 333",
	"tc class add dev va parent 1: classid 1:9 htb rate 10mbit ceil 12mbit quantum 2000",
	"tc class add dev va parent 1:9 classid 1:3 htb rate 3mbit ceil 12mbit quantum 2000",
	"tc class add dev va parent 1:3 classid 1:20 htb rate 1mbit ceil 2mbit prio 3 burst 9k quantum 1600",
	"tc class add dev va parent 1:9 classid 1:30 htb rate 5gbit ceil 50gbit quantum 60000",
	"tc qdisc add dev va parent 1:20 handle 20: pfifo limit 77",
	"tc qdisc add dev va parent 1:30 handle 8123: tbf rate 1mbit burst 10k latency 30ms peakrate 2mbit "
	"mtu "
	"1540",
	"tc qdisc add dev va parent 8123:1 handle 55: htb default 1",
	"tc class add dev va parent 55: classid 55:1 htb rate 1mbit quantum 1500",
	/* tables 800, 801 and 802; then 800 goes: another one than the first is the first */
	FILTER("va", "parent 1: protocol ip prio 10 u32 match ip dport 80 0xffff flowid 1:20"),
	FILTER("va", "parent 1: protocol ip prio 5 u32 match ip sport 81 0xffff flowid 1:30"),
	FILTER("va", "parent 1: prio 7 handle 2: protocol ipv6 u32 divisor 16"),
	FILTER("va", "parent 1: prio 7 protocol ipv6 u32 ht 2:3: match ip6 dst fd00::/8 flowid 1:30"),
	FILTER("va",
	       "parent 1: prio 7 protocol ipv6 u32 ht 802:: link 2: hashkey mask 0x0f000000 at 8 match u8 0 "
	       "0"),
	FILTER("va", "parent 1: protocol ip prio 5 handle 801::5 u32 match ip src 10.0.0.0/8 flowid 1:20"),
	FILTER("va", "parent 1:9 protocol all prio 3 chain 7 u32 match u32 0 0 flowid 1:30"),
	"tc filter del dev va parent 1: prio 10",
	"tc filter add dev va parent 1: protocol ip prio 20 u32 match mark 5 0xff flowid 1:20 2> /dev/null; "
	"true",
	/* lists of one priority in two places of a discipline */
	"tc qdisc add dev vb clsact",
	FILTER("vb", "ingress protocol ip u32 match u32 0 0 action mirred egress redirect dev ifb7"),
	FILTER("vb", "egress protocol ip u32 match ip dst 10.7.0.1 action mirred egress mirror dev ifb7 pipe "
		     "action "
		     "mirred ingress mirror dev ifb7"),
	FILTER("vb", "egress protocol ip u32 match ip dst 10.7.0.2 action mirred index 1"),
	"tc qdisc replace dev ifb7 root handle 77: bfifo limit 99999",
	"tc qdisc add dev lo root handle 9: noqueue",
	"tc qdisc add dev lo handle ffff: ingress",
	FILTER("lo", "parent ffff: protocol ipv6 prio 99 u32 match ip6 dport 7 0xffff action mirred egress "
		     "redirect "
		     "dev ifb7"),
	"ip link add ifb8 numtxqueues 2 type ifb",
	"tc qdisc add dev ifb8 root handle 5: mq",
	"tc qdisc add dev ifb8 parent 5:2 handle 52: pfifo limit 7",
	"ip link add vc type veth peer name vd",
	"tc qdisc add dev vc ingress_block 3 ingress && tc qdisc add dev vd ingress_block 3 ingress",
	"tc filter add block 3 protocol ip prio 4 u32 match ip dport 9 0xffff action mirred egress redirect "
	"dev ifb7",
	NULL,
};

/* What only looking changes is left out. */
#define SHOW(cmd) cmd " | grep -v 'used_hw_stats\\|^$'"
static const char *const state[] = {
	"tc -d qdisc | sed 's/direct_packets_stat [0-9]*//; s/backlog.*//' | sort",
	"tc -d class show dev va | sort",
	SHOW("tc filter show dev va"),
	SHOW("tc filter show dev va parent 1:9"),
	SHOW("tc filter show dev vb ingress"),
	SHOW("tc filter show dev vb egress"),
	SHOW("tc filter show dev lo parent ffff:"),
	SHOW("tc filter show block 3"),
	SHOW("tc actions ls action mirred"),
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_test(setup, state);
}
