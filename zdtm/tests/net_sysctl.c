/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sysctls of a network namespace: all that can be written have their values, those set here among them. */
/* modes: ns userns twice */
#include "netstate.h"

#define SET(name, value) "echo " value " > /proc/sys/net/" name
static const char *const setup[] = {
	"ip link add va type veth peer name vb",
	SET("ipv4/ip_forward", "1"),
	SET("ipv4/conf/va/forwarding", "0"),
	SET("ipv4/conf/all/rp_filter", "2"),
	SET("ipv4/conf/default/arp_notify", "1"),
	SET("ipv4/conf/va/arp_ignore", "2"),
	SET("ipv4/ip_local_port_range", "20000 30000"),
	SET("ipv4/tcp_fin_timeout", "33"),
	SET("ipv4/ping_group_range", "'0 1000'"),
	SET("ipv4/neigh/va/gc_stale_time", "77"),
	SET("ipv6/conf/all/forwarding", "1"),
	SET("ipv6/conf/va/accept_ra", "0"),
	SET("ipv6/conf/vb/disable_ipv6", "1"),
	SET("ipv6/conf/default/addr_gen_mode", "1"),
	SET("core/somaxconn", "777"),
	"ip link set va up",
	"ip link set va addrgenmode none",
	/* a smaller MTU for IPv6, as a router advertises it, and a secret that came after the link's address
	 */
	"ip link add vc type veth peer name vd && ip link set vc up && ip link set vd up && sleep 2.2",
	SET("ipv6/conf/vd/mtu", "1300"),
	SET("ipv6/conf/vd/stable_secret", "fd00::1234"),
	NULL,
};

static const char *const state[] = {
	"cd /proc/sys/net && for f in $(find . -type f -perm -600 | sort); do echo $f $(cat $f 2>&1); done | "
	"grep -v nf_log",
	"ip -6 route show; ip -6 addr show dev vd | sed 's/stable-privacy//'",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_test(setup, state);
}
