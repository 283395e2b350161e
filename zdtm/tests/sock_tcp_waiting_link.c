/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * TCP connections that nobody has accepted, which belong to one link: at a socket bound to it, and at
 * a link-local address. Their segments must come by that link.
 */
#include "sockets.h"

#include <net/if.h>
#include <poll.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"ip link add wa type veth peer name wb",
	"ip link set wa addrgenmode none",
	"ip link set wb addrgenmode none",
	"echo 1 > /proc/sys/net/ipv4/conf/wa/accept_local",
	"echo 1 > /proc/sys/net/ipv4/conf/wb/accept_local",
	"echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter",
	"echo 0 > /proc/sys/net/ipv4/conf/wa/rp_filter",
	"echo 0 > /proc/sys/net/ipv4/conf/wb/rp_filter",
	"ip addr add 10.9.8.1/24 dev wa",
	"ip addr add 10.9.8.2/24 dev wb",
	"ip addr add fe80::a/64 dev wa nodad",
	"ip addr add fe80::b/64 dev wb nodad",
	"ip link set wa up",
	"ip link set wb up",
	NULL,
};

static struct pair {
	int l, client;
} pairs[2];

static socklen_t address(struct sockaddr_storage *a, int domain, const char *ip, const char *link)
{
	struct sockaddr_in6 *in6 = (void *)a;
	struct sockaddr_in *in = (void *)a;

	memset(a, 0, sizeof(*a));
	a->ss_family = domain;
	inet_pton(domain, ip, domain == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr);
	if (domain == AF_INET)
		return sizeof(*in);
	in6->sin6_scope_id = if_nametoindex(link);
	return sizeof(*in6);
}

static void bind_link(int fd, const char *link)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, strlen(link) + 1))
		pfail("SO_BINDTODEVICE %s", link);
}

static void make(struct pair *p, int domain, const char *server, const char *client)
{
	struct sockaddr_storage a;
	socklen_t len = address(&a, domain, server, "wa");
	struct pollfd poll_l;
	int port;

	p->l = xsocket(domain, SOCK_STREAM, 0);
	set_int(p->l, SOL_SOCKET, SO_REUSEADDR, 1);
	if (domain == AF_INET)
		bind_link(p->l, "wa");
	if (bind(p->l, (struct sockaddr *)&a, len) || getsockname(p->l, (struct sockaddr *)&a, &len))
		pfail("bind %s", server);
	port = ((struct sockaddr_in *)&a)->sin_port;
	xlisten(p->l, 5);
	p->client = xsocket(domain, SOCK_STREAM, 0);
	bind_link(p->client, "wb");
	len = address(&a, domain, client, "wb");
	if (bind(p->client, (struct sockaddr *)&a, len))
		pfail("bind %s", client);
	len = address(&a, domain, server, "wb");
	((struct sockaddr_in *)&a)->sin_port = port;
	if (connect(p->client, (struct sockaddr *)&a, len))
		pfail("connect to %s", server);
	xsend(p->client, "early");
	poll_l = (struct pollfd){ .fd = p->l, .events = POLLIN };
	if (poll(&poll_l, 1, 10000) != 1)
		fail("%s: nobody waits", server);
}

static void check(struct pair *p)
{
	struct pollfd poll_l = { .fd = p->l, .events = POLLIN };
	int fd;

	if (poll(&poll_l, 1, 0) != 1)
		fail("nobody waits any more");
	fd = xaccept(p->l);
	expect_recv(fd, "early");
	xsend(p->client, "late");
	expect_recv(fd, "late");
	xsend(fd, "answer");
	expect_recv(p->client, "answer");
	close(p->client);
	expect_eof(fd);
	close(fd);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	net_setup(setup);
	make(&pairs[0], AF_INET, "10.9.8.1", "10.9.8.2");
	make(&pairs[1], AF_INET6, "fe80::a", "fe80::b");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 2; i++)
		check(&pairs[i]);
	pass();
}
