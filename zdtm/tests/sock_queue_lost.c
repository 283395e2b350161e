/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits in packet and raw sockets is lost, and said so; what comes after is received. */
/* modes: ns running */
/* warn: frames that wait to be read ( */
/* warn: packets that wait to be read ( */
#include "sockets.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

static void send_one(int fd, const char *text)
{
	struct sockaddr_storage to;
	socklen_t len = loopback(&to, AF_INET, 6677);

	if (sendto(fd, text, 4, 0, (struct sockaddr *)&to, len) != 4)
		pfail("sendto");
}

/* The last one that is there. */
static void check(int fd, size_t header, const char *text)
{
	char buf[256];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) == (ssize_t)header + 4)
		if (memcmp(buf + header, text, 4) == 0)
			return;
	fail("%s does not come: %zd bytes", text, n);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 };
	int frames, packets, out;

	test_init(argc, argv);
	frames = xsocket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
	if (bind(frames, (struct sockaddr *)&a, sizeof(a)))
		pfail("bind");
	packets = xsocket(AF_INET, SOCK_RAW, 253);
	out = xsocket(AF_INET, SOCK_RAW, 253);
	set_int(out, SOL_SOCKET, SO_RCVBUF, 0);
	send_one(out, "lost");
	test_daemon();
	test_waitsig();
	send_one(out, "kept");
	check(frames, 20, "kept");
	check(packets, 20, "kept");
	pass();
}
