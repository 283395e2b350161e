/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is set on links beside the usual: ethtool features and channels, queue numbers, segmentation limits,
 * link mode, protocol down, broadcast address. */
/* modes: ns userns running twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va numtxqueues 4 numrxqueues 4 type veth peer name vb numtxqueues 3 numrxqueues 5",
	"ip link add vc type veth peer name vd",
	"ip link add br0 address 02:00:00:00:00:b0 type bridge",
	"ip link add ifb7 numtxqueues 6 type ifb",
	"ip link add mv0 link vc type macvlan",
	"ip link add vx0 type vxlan id 77 dstport 4789",
	"ethtool -L va rx 3 tx 2",
	"ethtool -K va tso off tx-checksum-ip-generic off gro on",
	"ethtool -K vb rx off rx-gro-list on",
	"ethtool -K vd tso off",
	"ethtool -K br0 gso off",
	"ethtool -K mv0 gro off",
	"ethtool -K vx0 rx-udp-gro-forwarding on",
	"ethtool -K lo tso off",
	"ethtool -K ifb7 tso off",
	"ip link set va gso_max_size 20000 gso_max_segs 33 gro_max_size 30000",
	"ip link set lo gso_max_size 30000",
	"ip link set vb broadcast 02:00:00:00:00:ff mode dormant",
	"ip link set vx0 protodown on && ip link set vx0 protodown_reason 3 on",
	"for d in va vb vc br0 mv0 vx0 lo; do ip link set $d up; done",
	NULL,
};

#define ALL(cmd) "for d in va vb vc vd br0 ifb7 mv0 vx0 lo; do echo $d; " cmd "; done"
static const char *const state[] = {
	ALL("ethtool -k $d"),
	ALL("ethtool -l $d 2> /dev/null; true"),
	ALL("ip -d link show $d | sed 's/state [A-Z]*//; s/usedbcqueuelen [0-9]*//; s/[a-z_]*_timer "
	    "*[0-9.]*//g'"),
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	if (system("command -v ethtool > /dev/null"))
		skip("no ethtool");
	net_setup(setup);
	net_compare(state);
	pass();
}
