/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* modes: ns userns running twice */
/*
 * IPv6 flow labels: leases for one socket and shared ones, of UDP and TCP, in use and not; what is sent has
 * its label, and what is not leased is not to be had.
 */
#include "sockets.h"

#include <linux/in6.h>

#include "netstate.h"

enum { USED = 0x11111, IDLE = 0x22222, SHARED = 0x33333, STREAM = 0x44444, CONNECTING = 0x55555 };

static const char *const setup[] = { "ip link set lo up",
				     "ip addr add fd00::1/64 dev lo nodad",
				     "ip link add va type veth peer name vb",
				     "ip link set vb up",
				     "ip link set va up",
				     "ip addr add fd01::1/64 dev va nodad",
				     "ip neigh add fd01::2 lladdr 02:00:00:00:00:02 dev va",
				     NULL };

static int manage(int fd, int label, int action, int share, int flags)
{
	struct in6_flowlabel_req req = { .flr_dst = in6addr_loopback,
					 .flr_label = htonl(label),
					 .flr_action = action,
					 .flr_share = share,
					 .flr_flags = flags,
					 .flr_expires = 100,
					 .flr_linger = 50 };

	return setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, sizeof(req));
}

static void lease(int fd, int label, int share)
{
	if (manage(fd, label, IPV6_FL_A_GET, share, IPV6_FL_F_CREATE))
		pfail("lease %05x", label);
	set_int(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1);
}

static int connect_with(int fd, const char *to, int port, int label)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_port = htons(port),
				  .sin6_flowinfo = htonl(label) };

	inet_pton(AF_INET6, to, &a.sin6_addr);
	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static void expect_peer_label(int fd, int label)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	if (getpeername(fd, (struct sockaddr *)&a, &len))
		pfail("getpeername");
	if (ntohl(a.sin6_flowinfo) != (unsigned int)label)
		fail("the peer's address has the flow label %05x, not %05x", ntohl(a.sin6_flowinfo), label);
}

static int label_in_use(int fd)
{
	struct in6_flowlabel_req req = { 0 };
	socklen_t len = sizeof(req);

	return getsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &req, &len) ? 0 : (int)ntohl(req.flr_label);
}

/* What arrives says which one it was sent with. */
static int received_label(int fd)
{
	char c, control[256];
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	unsigned int info = 0;

	if (recvmsg(fd, &m, 0) != 1)
		pfail("recvmsg");
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
		if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_FLOWINFO)
			memcpy(&info, CMSG_DATA(h), sizeof(info));
	return ntohl(info) & 0xfffff;
}

static void expect_label(int fd, int to, int label)
{
	int got;

	if (send(fd, "x", 1, 0) != 1)
		pfail("send");
	got = received_label(to);
	if (got != label)
		fail("sent with the flow label %05x, not %05x", got, label);
}

static void expect_leases(int fd, const int *labels, int n)
{
	static const int all[] = { USED, IDLE, SHARED, STREAM, CONNECTING };

	for (int i = 0; i < 5; i++) {
		int has = manage(fd, all[i], IPV6_FL_A_RENEW, IPV6_FL_S_ANY, 0) == 0, should = 0;

		for (int j = 0; j < n; j++)
			should |= labels[j] == all[i];
		if (has != should)
			fail("the flow label %05x %s leased", all[i], has ? "is" : "is not");
	}
}

/* Shares, lingering, destinations; not how many seconds are left. */
static const char *const table[] = {
	"awk 'NR > 1 { print $1, $2, $3, $4, $5, $7, $8 }' /proc/net/ip6_flowlabel | sort", NULL
};

int main(int argc, char **argv)
{
	int to, a, b, l, c, s, going, fresh, port;
	char *before, *after;

	test_init(argc, argv);
	net_setup(setup);
	to = xsocket(AF_INET6, SOCK_DGRAM, 0);
	set_int(to, IPPROTO_IPV6, IPV6_FLOWINFO, 1);
	port = xbind_loopback(to, AF_INET6);
	a = xsocket(AF_INET6, SOCK_DGRAM, 0);
	lease(a, USED, IPV6_FL_S_EXCL);
	lease(a, IDLE, IPV6_FL_S_EXCL);
	lease(a, SHARED, IPV6_FL_S_ANY);
	b = xsocket(AF_INET6, SOCK_DGRAM, 0);
	lease(b, SHARED, IPV6_FL_S_ANY);
	l = xsocket(AF_INET6, SOCK_STREAM, 0);
	c = xsocket(AF_INET6, SOCK_STREAM, 0);
	lease(c, STREAM, IPV6_FL_S_EXCL);
	if (connect_with(a, "::1", port, USED) || connect_with(b, "::1", port, SHARED))
		pfail("connect");
	port = xbind_loopback(l, AF_INET6);
	xlisten(l, 5);
	if (connect_with(c, "::1", port, STREAM))
		pfail("connect");
	s = xaccept(l);
	going = xsocket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	lease(going, CONNECTING, IPV6_FL_S_EXCL);
	if (connect_with(going, "fd01::2", 80, CONNECTING) == 0 || errno != EINPROGRESS)
		pfail("connect to nobody");
	expect_label(a, to, USED);
	before = net_state(table);
	test_daemon();
	test_waitsig();
	after = net_state(table);
	if (strcmp(before, after))
		fail("leases were:\n%sare:\n%s", before, after);
	expect_leases(a, (const int[]){ USED, IDLE, SHARED }, 3);
	expect_leases(b, (const int[]){ SHARED }, 1);
	expect_leases(c, (const int[]){ STREAM }, 1);
	expect_leases(going, (const int[]){ CONNECTING }, 1);
	expect_leases(s, NULL, 0);
	expect_peer_label(a, USED);
	expect_peer_label(b, SHARED);
	expect_peer_label(c, STREAM);
	expect_label(a, to, USED);
	expect_label(b, to, SHARED);
	if (label_in_use(c) != STREAM || tcp_state(going) != TCP_SYN_SENT ||
	    label_in_use(going) != CONNECTING)
		fail("labels %05x and %05x in use", label_in_use(c), label_in_use(going));
	xsend(c, "more");
	expect_recv(s, "more");
	fresh = xsocket(AF_INET6, SOCK_DGRAM, 0);
	if (manage(fresh, IDLE, IPV6_FL_A_GET, IPV6_FL_S_ANY, 0) == 0)
		fail("a label for one socket is to be had by another");
	if (manage(fresh, SHARED, IPV6_FL_A_GET, IPV6_FL_S_ANY, 0))
		pfail("a shared label is not to be had");
	pass();
}
