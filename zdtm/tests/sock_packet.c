/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet socket as udhcpc has it: bound to a device and protocol, with a filter and auxdata. */
#include "sockets.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

int main(int argc, char **argv)
{
	/* UDP to port 6677 only */
	struct sock_filter code[] = {
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 9 },	{ BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 17 },
		{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 22 }, { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 6677 },
		{ BPF_RET | BPF_K, 0, 0, 0xffff },	{ BPF_RET | BPF_K, 0, 0, 0 },
	}, back[8];
	struct sock_fprog prog = { 6, code };
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 }, b;
	struct packet_mreq mreq = { .mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_storage to;
	socklen_t len = sizeof(b), n = 8, tolen;
	int fd, udp;
	char buf[256];

	test_init(argc, argv);
	fd = xsocket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)))
		pfail("packet socket");
	test_daemon();
	test_waitsig();
	if (getsockname(fd, (struct sockaddr *)&b, &len) || b.sll_ifindex != 1 || b.sll_protocol != htons(ETH_P_IP))
		fail("bound to interface %d protocol %x", b.sll_ifindex, ntohs(b.sll_protocol));
	if (!get_int(fd, SOL_PACKET, PACKET_AUXDATA) || get_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM)
		fail("options");
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, back, &n) || n != 6 || memcmp(back, code, sizeof(code)))
		fail("filter");
	if (setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mreq, sizeof(mreq)))
		pfail("the membership is gone");
	udp = xsocket(AF_INET, SOCK_DGRAM, 0);
	tolen = loopback(&to, AF_INET, 6677);
	if (sendto(udp, "dhcp", 4, 0, (struct sockaddr *)&to, tolen) != 4)
		pfail("sendto");
	if (recv(fd, buf, sizeof(buf), 0) != 20 + 8 + 4 || memcmp(buf + 28, "dhcp", 4))
		fail("the packet did not come");
	pass();
}
