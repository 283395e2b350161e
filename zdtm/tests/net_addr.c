/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: order, secondary, peer, broadcast, labels, scope, lifetimes of both families; a lo without
 * 127.0.0.1. */
/* modes: ns userns running twice */
#include "netstate.h"

static const char *const setup[] = {
	"ip link add va type veth peer name vb",
	"ip link set va up",
	"ip link set vb up",
	"ip addr add 10.1.0.9/24 brd + dev va",
	"ip addr add 10.1.0.3/24 dev va label va:x",
	"ip addr add 10.2.0.1/32 peer 10.2.0.7 dev va",
	"ip addr add 10.3.0.1/16 scope link dev vb noprefixroute",
	"ip addr add fd00:1::5/64 dev va nodad",
	"ip addr add fd00:1::4/64 dev va nodad",
	"ip addr add fd00:2::4/64 dev vb noprefixroute nodad metric 77",
	"ip addr add 10.4.0.4/24 dev vb valid_lft 40000 preferred_lft 30000",
	"ip link set lo up",
	"ip addr add 127.5.0.1/8 dev lo",
	"ip addr del 127.0.0.1/8 dev lo",
	"ip addr flush dev vb scope link",
	NULL,
};

/* The time left is compared by its thousands. */
static const char *const state[] = {
	"ip -o addr | sed 's/\\([0-9][0-9]\\)[0-9][0-9][0-9]sec/\\1k/g'",
	"ip route show table all",
	NULL,
};

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_test(setup, state);
}
