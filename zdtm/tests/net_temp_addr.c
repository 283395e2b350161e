/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Temporary addresses of IPv6 (use_tempaddr): connections from one go on until it expires, new ones leave
 * from a new temporary one, and there is one such, however often it is restored. Addresses that failed
 * duplicate detection fail again; link-local ones of stable privacy come again after the link was down.
 */
/* modes: ns userns twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "netstate.h"

#define CONF "/proc/sys/net/ipv6/conf/"

static const char *const setup[] = {
	"ip link add va type veth peer name vb; ip link set lo up",
	"ip link add vc type veth peer name vd",
	"ip link add ve type veth peer name vi",
	"ip link add vg type veth peer name vh",
	"echo 2 > " CONF "va/use_tempaddr; echo 2 > " CONF "vc/use_tempaddr; echo 2 > " CONF
	"ve/use_tempaddr",
	"echo 0123:4567:89ab:cdef:: > " CONF "vg/stable_secret",
	"ip link set vh addrgenmode random",
	"for l in va vb vc vd ve vi vg vh; do ip link set $l up; done",
	"ip addr add fd00:1::5/64 dev va mngtmpaddr valid_lft 9000 preferred_lft 8000",
	"ip addr add fd00:2::5/64 dev vc mngtmpaddr",
	"ip addr add fd00:3::5/64 dev ve mngtmpaddr",
	"echo 0 > " CONF "ve/use_tempaddr",
	"ip addr add fd00:9::1/64 dev vb nodad",
	"ip addr add fd00:9::1/64 dev va",
	NULL,
};

#define FIRST_WORD " | sed 's/.*inet6 \\([^ ]*\\).*/\\1/'"
static const char *const state[] = {
	"while [ -n \"$(ip -o -6 addr show tentative -dadfailed)\" ]; do sleep 0.05; done",
	"ip -6 -o addr show dadfailed | sed 's/valid.*//'",
	"ip -6 -o addr show dev va temporary | wc -l",
	"ip -6 -o addr show dev vc temporary | wc -l",
	"ip -6 -o addr show dev vc | wc -l",
	"ip -6 -o addr show dev ve to fd00:3::/64 -deprecated" FIRST_WORD " | sort",
	"cat " CONF "vg/stable_secret " CONF "vh/stable_secret",
	"ip link set vg down; ip link set vh down; ip link set vg up; ip link set vh up; for l in vg vh; do "
	"until ip -6 -o addr show dev $l scope link | grep -q fe80; do sleep 0.05; done; "
	"ip -6 -o addr show dev $l scope link" FIRST_WORD "; done",
	NULL,
};

/* The one temporary address of va. */
static struct in6_addr temporary(void)
{
	static const char *const show[] = {
		"ip -6 -o addr show dev va temporary | sed 's/.*inet6 \\([^/]*\\).*/\\1/'", NULL
	};
	char *text = net_state(show), *line = strchr(text, '\n') + 1;
	struct in6_addr addr;

	line[strcspn(line, "\n")] = '\0';
	if (inet_pton(AF_INET6, line, &addr) != 1)
		fail("no single temporary address: %s", line);
	free(text);
	return addr;
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		pfail("getsockname");
	return sa;
}

/* Where a new connection to a neighbour leaves from. */
static struct in6_addr source(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct in6_addr addr;

	inet_pton(AF_INET6, "fd00:1::99", &to.sin6_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		pfail("connect");
	addr = name_of(fd).sin6_addr;
	close(fd);
	return addr;
}

/* A connection from @addr to itself. */
static void connection(struct in6_addr addr, int fds[2])
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = addr };
	int l = socket(AF_INET6, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET6, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) || listen(l, 1))
		pfail("listen");
	if (bind(fds[0], (struct sockaddr *)&sa, sizeof(sa)))
		pfail("bind");
	sa = name_of(l);
	if (connect(fds[0], (struct sockaddr *)&sa, sizeof(sa)))
		pfail("connect");
	fds[1] = accept(l, NULL, NULL);
	if (fds[1] < 0)
		pfail("accept");
	close(l);
}

/* The seconds that @addr is still valid, if it is deprecated. */
static unsigned int seconds_left(struct in6_addr addr)
{
	char text[INET6_ADDRSTRLEN], command[256];
	const char *const show[] = { command, NULL };
	unsigned int left = 0;
	char *out;

	inet_ntop(AF_INET6, &addr, text, sizeof(text));
	snprintf(command, sizeof(command),
		 "ip -6 -o addr show dev va to %s deprecated | sed 's/.*valid_lft \\([0-9]*\\)sec.*/\\1/'",
		 text);
	out = net_state(show);
	sscanf(strchr(out, '\n'), "%u", &left);
	free(out);
	return left;
}

int main(int argc, char **argv)
{
	struct in6_addr old, now;
	unsigned int left;
	int fds[2];
	char c;

	test_init(argc, argv);
	net_setup(setup);
	net_settle("");
	old = temporary();
	now = source();
	if (memcmp(&now, &old, sizeof(now)))
		fail("a new connection does not leave from the temporary address");
	connection(old, fds);
	net_compare(state);
	left = seconds_left(old);
	if (left < 8000 || left > 9000)
		fail("the old address is valid for %u seconds more", left);
	if (write(fds[0], "x", 1) != 1 || read(fds[1], &c, 1) != 1 || c != 'x')
		pfail("the connection from the old address");
	now = temporary();
	if (!memcmp(&now, &old, sizeof(now)))
		fail("the temporary address is the old one");
	old = source();
	if (memcmp(&now, &old, sizeof(now)))
		fail("a new connection does not leave from the new temporary address");
	pass();
}
