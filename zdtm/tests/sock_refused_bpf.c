/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BPF programs that choose in groups of sockets, and one of the namespace, are refused by name. */
/* modes: ns */
/* refuse: an eBPF program ( */
/* refuse: chooses in its group of SO_REUSEPORT, and cannot be read back; detach it */
/* refuse: has a BPF program (flow dissector, id */
/* refuse: a BPF program chooses in its group of packet sockets (PACKET_FANOUT_DATA) */
#include "bpf.h"
#include "sockets.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

static void join_fanout(void)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = 1 };
	int fd = xsocket(AF_PACKET, SOCK_RAW, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		pfail("bind to lo");
	set_int(fd, SOL_PACKET, PACKET_FANOUT, PACKET_FANOUT_CBPF << 16 | 7);
}

int main(int argc, char **argv)
{
	int l = xsocket(AF_INET, SOCK_STREAM, 0), u = xsocket(AF_INET, SOCK_DGRAM, 0), prog;
	union bpf_attr attr = { 0 };

	test_init(argc, argv);
	set_int(l, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(u, SOL_SOCKET, SO_REUSEPORT, 1);
	join_fanout();
	xbind_loopback(u, AF_INET);
	xbind_loopback(l, AF_INET);
	xlisten(l, 3);
	prog = bpf_program(BPF_PROG_TYPE_SOCKET_FILTER, 0);
	set_int(l, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog);
	set_int(u, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog);
	close(prog);
	prog = bpf_program(BPF_PROG_TYPE_FLOW_DISSECTOR, 0);
	attr.attach_bpf_fd = prog;
	attr.attach_type = BPF_FLOW_DISSECTOR;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)))
		pfail("BPF_PROG_ATTACH");
	close(prog);
	test_daemon();
	test_waitsig();
	if (tcp_state(l) != TCP_LISTEN)
		fail("another socket");
	pass();
}
