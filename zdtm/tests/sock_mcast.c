/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multicast groups joined, with and without sources, on the loopback device. */
#include "sockets.h"

static void join(int fd, int level, const struct sockaddr *group, socklen_t len)
{
	struct group_req req = { .gr_interface = 1 };

	memcpy(&req.gr_group, group, len);
	if (setsockopt(fd, level, MCAST_JOIN_GROUP, &req, sizeof(req)))
		pfail("join");
}

static void expect_member(int fd, int level, const struct sockaddr *group, socklen_t len, unsigned int mode,
			  unsigned int sources)
{
	char buf[GROUP_FILTER_SIZE(4)] = { 0 };
	struct group_filter *gf = (void *)buf;
	socklen_t size = sizeof(buf);

	gf->gf_interface = 1;
	gf->gf_numsrc = 4;
	memcpy(&gf->gf_group, group, len);
	if (getsockopt(fd, level, MCAST_MSFILTER, gf, &size))
		pfail("not in a group any more");
	if (gf->gf_fmode != mode || gf->gf_numsrc != sources)
		fail("group mode %u sources %u, wanted %u %u", gf->gf_fmode, gf->gf_numsrc, mode, sources);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET }, b = a, src = a;
	struct sockaddr_in6 c = { .sin6_family = AF_INET6 };
	struct group_source_req sreq = { .gsr_interface = 1 };
	int v4, v6;

	test_init(argc, argv);
	inet_pton(AF_INET, "239.1.2.3", &a.sin_addr);
	inet_pton(AF_INET, "239.4.5.6", &b.sin_addr);
	inet_pton(AF_INET, "10.9.8.7", &src.sin_addr);
	inet_pton(AF_INET6, "ff15::77", &c.sin6_addr);
	v4 = xsocket(AF_INET, SOCK_DGRAM, 0);
	v6 = xsocket(AF_INET6, SOCK_DGRAM, 0);
	join(v4, IPPROTO_IP, (struct sockaddr *)&a, sizeof(a));
	memcpy(&sreq.gsr_group, &b, sizeof(b));
	memcpy(&sreq.gsr_source, &src, sizeof(src));
	if (setsockopt(v4, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &sreq, sizeof(sreq)))
		pfail("join a source");
	join(v6, IPPROTO_IPV6, (struct sockaddr *)&c, sizeof(c));
	test_daemon();
	test_waitsig();
	expect_member(v4, IPPROTO_IP, (struct sockaddr *)&a, sizeof(a), MCAST_EXCLUDE, 0);
	expect_member(v4, IPPROTO_IP, (struct sockaddr *)&b, sizeof(b), MCAST_INCLUDE, 1);
	expect_member(v6, IPPROTO_IPV6, (struct sockaddr *)&c, sizeof(c), MCAST_EXCLUDE, 0);
	pass();
}
