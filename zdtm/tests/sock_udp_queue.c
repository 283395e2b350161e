/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/*
 * What a UDP socket is told of queued datagrams: the address they came to, type of service and time to live;
 * IPv4, IPv6, and IPv4 at a socket for both. Datagrams that the kernel had put together (UDP_GRO) are as
 * many. At a socket that is bound to a link they wait too.
 */
#include "sockets.h"

#include <netinet/udp.h>

#include "netstate.h"

#define TOS 0x28
#define TTL 33

static const char *const setup[] = { "ip link set lo up",
				     "ip addr add 10.8.7.6/32 dev lo",
				     "ip addr add fd00::7/128 dev lo nodad",
				     "ip link add va type veth peer name vb",
				     "ip link set vb up",
				     "ip link set va up",
				     "ip addr add 10.8.8.8/24 dev va",
				     NULL };

struct told {
	char data[64], to[INET6_ADDRSTRLEN];
	int tos, ttl, segment;
};

static void take(struct told *t, const struct cmsghdr *c)
{
	const unsigned char *data = CMSG_DATA(c);
	struct in6_pktinfo info6;
	struct in_pktinfo info;

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&info, data, sizeof(info));
		inet_ntop(AF_INET, &info.ipi_addr, t->to, sizeof(t->to));
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info6, data, sizeof(info6));
		inet_ntop(AF_INET6, &info6.ipi6_addr, t->to, sizeof(t->to));
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		t->tos = *data;
	} else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
		memcpy(&t->ttl, data, sizeof(t->ttl));
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&t->tos, data, sizeof(t->tos));
	} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&t->segment, data, sizeof(t->segment));
	}
}

static void receive(int fd, struct told *t)
{
	char control[512];
	struct iovec iov = { t->data, sizeof(t->data) - 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};

	memset(t, 0, sizeof(*t));
	if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
		pfail("recvmsg");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		take(t, c);
}

static void expect(int fd, const char *data, const char *to)
{
	struct told t;

	receive(fd, &t);
	if (strcmp(t.data, data) || strcmp(t.to, to) || t.tos != TOS || t.ttl != TTL)
		fail("\"%s\" to %s, TOS %x, TTL %d; wanted \"%s\" to %s, %x, %d", t.data, t.to, t.tos, t.ttl,
		     data, to, TOS, TTL);
}

/* Three at a time, whether they come as one or not. */
static void expect_pieces(int fd, const char *data)
{
	char got[64] = "";

	while (strlen(got) < strlen(data)) {
		struct told t;

		receive(fd, &t);
		if (strlen(t.data) > 3 && t.segment != 3)
			fail("\"%s\" is one datagram, of segments of %d", t.data, t.segment);
		strcat(got, t.data);
	}
	if (strcmp(got, data))
		fail("\"%s\" instead of \"%s\"", got, data);
}

static int make(int domain)
{
	struct sockaddr_storage a = { .ss_family = domain };
	int fd = xsocket(domain, SOCK_DGRAM, 0);

	if (bind(fd, (struct sockaddr *)&a,
		 domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)))
		pfail("bind");
	if (domain == AF_INET6) {
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	} else {
		set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	set_int(fd, IPPROTO_IP, IP_RECVTTL, 1);
	return fd;
}

static void send_to(int server, const char *to, const char *data, int segment)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	const int six = strchr(to, ':') != NULL, port = local_port(server);
	const unsigned int before = queue_memory(server);
	int fd = xsocket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), ret;

	a.sin_port = a6.sin6_port = htons(port);
	inet_pton(AF_INET, to, &a.sin_addr);
	inet_pton(AF_INET6, to, &a6.sin6_addr);
	if (six) {
		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, TOS);
		set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL);
	} else {
		set_int(fd, IPPROTO_IP, IP_TOS, TOS);
		set_int(fd, IPPROTO_IP, IP_TTL, TTL);
	}
	if (segment)
		set_int(fd, IPPROTO_UDP, UDP_SEGMENT, segment);
	ret = six ? connect(fd, (struct sockaddr *)&a6, sizeof(a6))
		  : connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (ret)
		pfail("connect to %s", to);
	xsend(fd, data);
	await_queued(server, before); /* one after the other */
	close(fd);
}

int main(int argc, char **argv)
{
	int four, six, link;

	test_init(argc, argv);
	net_setup(setup);
	four = make(AF_INET);
	six = make(AF_INET6);
	link = make(AF_INET);
	set_int(four, IPPROTO_UDP, UDP_GRO, 1);
	for (int i = 0; i < 2; i++) {
		send_to(four, "10.8.7.6", "first", 0);
		send_to(four, "127.0.0.5", "second", 0);
		send_to(four, "127.0.0.5", "abcdefgh", 3);
		send_to(six, "fd00::7", "third", 0);
		send_to(six, "10.8.7.6", "fourth", 0);
		if (i)
			break;
		expect(four, "first", "10.8.7.6");
		expect(four, "second", "127.0.0.5");
		expect_pieces(four, "abcdefgh");
		expect(six, "third", "fd00::7");
		expect(six, "fourth", "::ffff:10.8.7.6");
	}
	send_to(link, "10.8.8.8", "fifth", 0);
	if (setsockopt(link, SOL_SOCKET, SO_BINDTODEVICE, "va", 3))
		pfail("SO_BINDTODEVICE");
	test_daemon();
	test_waitsig();
	expect(four, "first", "10.8.7.6");
	expect(four, "second", "127.0.0.5");
	expect_pieces(four, "abcdefgh");
	expect_empty(four);
	expect(six, "third", "fd00::7");
	expect(six, "fourth", "::ffff:10.8.7.6");
	expect_empty(six);
	expect(link, "fifth", "10.8.8.8");
	expect_empty(link);
	pass();
}
