/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw sockets: an ICMP one with its filter, one that writes headers, one bound and connected; UDP-Lite. */
#include "sockets.h"

#include <linux/icmp.h>
#include <netinet/ip.h>

#define UDPLITE 136

/* Ask ourselves for an echo; the filter lets only answers through. */
static void ping(int fd)
{
	struct icmphdr h = { .type = ICMP_ECHO, .un.echo.id = 77 };
	struct sockaddr_storage to;
	socklen_t len = loopback(&to, AF_INET, 0);
	unsigned char buf[256];
	unsigned int sum = 0;

	for (unsigned int i = 0; i < sizeof(h) / 2; i++)
		sum += ((unsigned short *)&h)[i];
	h.checksum = ~(sum + (sum >> 16));
	if (sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, len) != sizeof(h))
		pfail("send an echo request");
	if (recv(fd, buf, sizeof(buf), 0) != sizeof(struct iphdr) + sizeof(h))
		pfail("receive an echo reply");
	if (buf[sizeof(struct iphdr)] != ICMP_ECHOREPLY)
		fail("type %d came through the filter", buf[sizeof(struct iphdr)]);
}

int main(int argc, char **argv)
{
	struct icmp_filter filter = { ~(1U << ICMP_ECHOREPLY) }, f;
	struct sockaddr_storage a;
	struct sockaddr_in in;
	socklen_t len = sizeof(f), alen = sizeof(in);
	int icmp, hdr, conn, lite, litec, port;

	test_init(argc, argv);
	icmp = xsocket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (setsockopt(icmp, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)))
		pfail("ICMP_FILTER");
	hdr = xsocket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	set_int(hdr, IPPROTO_IP, IP_HDRINCL, 1);
	conn = xsocket(AF_INET, SOCK_RAW, 253);
	if (bind(conn, (struct sockaddr *)&a, loopback(&a, AF_INET, 0)) ||
	    connect(conn, (struct sockaddr *)&a, loopback(&a, AF_INET, 0)))
		pfail("bind and connect");
	lite = xsocket(AF_INET, SOCK_DGRAM, UDPLITE);
	litec = xsocket(AF_INET, SOCK_DGRAM, UDPLITE);
	set_int(lite, UDPLITE, 10 /* UDPLITE_SEND_CSCOV */, 8);
	port = xbind_loopback(lite, AF_INET);
	xconnect_loopback(litec, AF_INET, port);
	test_daemon();
	test_waitsig();
	if (getsockopt(icmp, SOL_RAW, ICMP_FILTER, &f, &len) || f.data != filter.data)
		fail("the ICMP filter is %x", f.data);
	ping(icmp);
	if (!get_int(hdr, IPPROTO_IP, IP_HDRINCL) || get_int(hdr, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP)
		fail("IP_HDRINCL or the protocol");
	if (getsockname(conn, (struct sockaddr *)&in, &alen) || in.sin_addr.s_addr != htonl(INADDR_LOOPBACK))
		fail("not bound");
	xsend(conn, "raw");
	if (get_int(lite, UDPLITE, 10) != 8)
		fail("UDP-Lite coverage");
	xsend(litec, "lite");
	expect_recv(lite, "lite");
	pass();
}
