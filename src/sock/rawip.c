/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

#include "base/netns.h"
#include "netlock/netlock.h"
#include "sock/rawip.h"

#define TTL 64

static uint32_t sum(const void *data, size_t len, uint32_t start)
{
	const unsigned char *p = data;
	uint64_t s = start;

	for (; len > 1; len -= 2, p += 2)
		s += (uint32_t)p[0] << 8 | p[1];
	if (len)
		s += (uint32_t)p[0] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* RFC 768, 793, 8200: over the addresses, protocol, length and the packet. */
static uint16_t checksum(const union sk_addr *from, const union sk_addr *to, int protocol, const void *data,
			 size_t len)
{
	uint32_t s = sum(data, len, protocol + (len >> 16) + (len & 0xffff));

	if (from->sa.sa_family == AF_INET) {
		s = sum(&from->in.sin_addr, 4, s);
		s = sum(&to->in.sin_addr, 4, s);
	} else {
		s = sum(&from->in6.sin6_addr, 16, s);
		s = sum(&to->in6.sin6_addr, 16, s);
	}
	s = ~s & 0xffff;
	return htons(s ? s : 0xffff);
}

struct header {
	const union sk_addr *from, *to;
	uint8_t protocol, tos, ttl;
};

static size_t put_header(const struct header *h, size_t len, void *out)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tos = h->tos,
		.ttl = h->ttl,
		.protocol = h->protocol,
		.tot_len = htons(sizeof(ip) + len),
		.saddr = h->from->in.sin_addr.s_addr,
		.daddr = h->to->in.sin_addr.s_addr,
	};
	struct ip6_hdr ip6 = {
		.ip6_flow = htonl(6U << 28 | (uint32_t)h->tos << 20),
		.ip6_plen = htons(len),
		.ip6_nxt = h->protocol,
		.ip6_hlim = h->ttl,
	};

	if (h->from->sa.sa_family == AF_INET) {
		memcpy(out, &ip, sizeof(ip));
		return sizeof(ip);
	}
	ip6.ip6_src = h->from->in6.sin6_addr;
	ip6.ip6_dst = h->to->in6.sin6_addr;
	memcpy(out, &ip6, sizeof(ip6));
	return sizeof(ip6);
}

int rawip_open(int ns_sock, int domain)
{
	_cleanup_close_ int nsfd = ioctl(ns_sock, SIOCGSKNS);
	int mark = NETLOCK_MARK, fd;

	if (nsfd < 0)
		return -errno;
	fd = netns_socket(nsfd, domain, SOCK_RAW, IPPROTO_RAW);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int send_packet(int fd, const struct header *h, const void *data, size_t len)
{
	_cleanup_free_ char *packet = malloc(len + sizeof(struct ip6_hdr));
	union sk_addr dst = *h->to;
	size_t head;

	if (!packet)
		return -ENOMEM;
	head = put_header(h, len, packet);
	memcpy(packet + head, data, len);
	/* The port of a raw socket's address is a protocol (raw(7)), and none is wanted. */
	if (dst.sa.sa_family == AF_INET)
		dst.in.sin_port = 0;
	else
		dst.in6.sin6_port = 0;
	if (sendto(fd, packet, head + len, 0, &dst.sa,
		   dst.sa.sa_family == AF_INET ? sizeof(dst.in) : sizeof(dst.in6)) < 0)
		return -errno;
	return 0;
}

int rawip_send_udp(int fd, const struct rawip_udp *u)
{
	const struct header h = { &u->from, &u->to, IPPROTO_UDP, u->tos, u->ttl };
	const size_t len = sizeof(struct udphdr) + u->len;
	_cleanup_free_ struct udphdr *udp = malloc(len);

	if (!udp)
		return -ENOMEM;
	*udp = (struct udphdr){ .source = u->from.in.sin_port, .dest = u->to.in.sin_port, .len = htons(len) };
	if (u->len)
		memcpy(udp + 1, u->data, u->len);
	udp->check = checksum(&u->from, &u->to, IPPROTO_UDP, udp, len);
	return send_packet(fd, &h, udp, len);
}

int rawip_send_tcp_on(int fd, const union sk_addr *from, const union sk_addr *to, void *data, size_t len)
{
	const struct header h = { from, to, IPPROTO_TCP, 0, TTL };
	struct tcphdr *tcp = data;

	tcp->check = 0;
	tcp->check = checksum(from, to, IPPROTO_TCP, data, len);
	return send_packet(fd, &h, data, len);
}

int rawip_send_tcp(int ns_sock, const union sk_addr *from, const union sk_addr *to, void *data, size_t len)
{
	_cleanup_close_ int fd = rawip_open(ns_sock, from->sa.sa_family);

	return fd < 0 ? fd : rawip_send_tcp_on(fd, from, to, data, len);
}
