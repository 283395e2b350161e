/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second network namespace inside, joined to the first by a veth pair: both sides, and their ids of each
 * other. */
/* modes: ns userns twice */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"ip link add br0 type bridge && ip link set br0 up && ip addr add 172.17.0.1/16 dev br0",
	"ip link add va index 77 type veth peer name vb index 66 netns $CHILD",
	"ip link set va master br0 up",
	"nsenter -t $CHILD -n ip link set vb name eth0 mtu 1450 address 02:00:00:00:00:05",
	"nsenter -t $CHILD -n ip link set eth0 up",
	"nsenter -t $CHILD -n ip link set lo up",
	"nsenter -t $CHILD -n ip addr add 172.17.0.2/16 dev eth0",
	"nsenter -t $CHILD -n ip route add default via 172.17.0.1",
	"nsenter -t $CHILD -n nft add table ip inside",
	"nsenter -t $CHILD -n tc qdisc add dev eth0 root handle 1: htb default 1",
	"nsenter -t $CHILD -n tc class add dev eth0 parent 1: classid 1:1 htb rate 10mbit quantum 2000",
	"nsenter -t $CHILD -n tc filter add dev eth0 parent 1: protocol ip u32 match ip dport 7 0xffff "
	"flowid 1:1",
	"nsenter -t $CHILD -n ip addrlabel add prefix fd00:9::/64 label 99",
	"nsenter -t $CHILD -n ip link set eth0 gso_max_size 30000",
	NULL,
};

#define STABLE " | sed 's/qdisc [a-z]*//; s/state [A-Z]*//; s/[a-z_]*_timer *[0-9.]*//g'"

static const char *const state[] = {
	"ip -d link show va" STABLE,
	"ip -o addr",
	"ip route",
	"ip netns list-id",
	"nsenter -t $CHILD -n ip -d link" STABLE,
	"nsenter -t $CHILD -n ip -o addr",
	"nsenter -t $CHILD -n ip route",
	"nsenter -t $CHILD -n nft list ruleset",
	"nsenter -t $CHILD -n tc class show dev eth0",
	"nsenter -t $CHILD -n tc filter show dev eth0",
	"nsenter -t $CHILD -n ip addrlabel | sort",
	NULL,
};

int main(int argc, char **argv)
{
	char number[16];
	int ready[2];
	pid_t pid;
	char c;

	test_init(argc, argv);
	if (pipe(ready) < 0)
		pfail("pipe");
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			pfail("unshare");
		for (;;)
			pause();
	}
	if (read(ready[0], &c, 1) != 1)
		fail("the child does not get ready");
	snprintf(number, sizeof(number), "%d", pid);
	setenv("CHILD", number, 1);
	net_setup(setup);
	net_settle("");
	net_settle("nsenter -t $CHILD -n ");
	net_compare(state);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pass();
}
