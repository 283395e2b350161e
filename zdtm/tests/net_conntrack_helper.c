/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * Connection tracking with a helper (FTP): a connection with helper and label, the one that came of it,
 * one in a zone, and one that is still expected; rules that let nothing else pass.
 */
#include <poll.h>
#include <unistd.h>

#include "netstate.h"
#include "sockets.h"

#define CONTROL 2121
#define ZONED 2222
#define DATA 51210 /* 200 * 256 + 10 */
#define LATER 51211

static const char *const rules[] = {
	"table inet t {",
	"	ct helper h { type \"ftp\" protocol tcp; }",
	"	chain zone_out { type filter hook output priority -300; tcp dport 2222 ct zone set 3;",
	"		tcp sport 2222 ct zone set 3; }",
	"	chain zone_in { type filter hook prerouting priority -300; tcp dport 2222 ct zone set 3;",
	"		tcp sport 2222 ct zone set 3; }",
	"	chain out { type filter hook output priority 0; tcp dport 2121 ct state new ct helper set "
	"\"h\";",
	"		tcp dport 2121 ct state new ct label set 5; }",
	"	chain in { type filter hook input priority 0; tcp dport 2121 ct label 5 accept;",
	"		tcp dport 2222 ct zone 3 ct state new,established accept;",
	"		tcp dport { 51210, 51211 } ct status expected accept;",
	"		tcp dport { 2121, 2222, 51210, 51211 } drop; }",
	"}",
	NULL,
};

static const char *const setup[] = {
	"ip link set lo up",
	"nft -f rules",
	NULL,
};

/* Without the seconds left and the counts of who uses it. */
static const char *const state[] = {
	"conntrack -L 2>/dev/null | sed 's/ [0-9]\\{3,6\\} / /; s/use=.*//' | sort",
	"conntrack -L expect 2>/dev/null | sed 's/^[0-9]* *//' | sort",
	NULL,
};

static void write_rules(void)
{
	FILE *f = fopen("rules", "w");

	if (!f)
		pfail("rules");
	for (int i = 0; rules[i]; i++)
		fprintf(f, "%s\n", rules[i]);
	fclose(f);
}

struct pair {
	int client, server;
};

static int listen_at(int port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, AF_INET, port);
	int fd = xsocket(AF_INET, SOCK_STREAM, 0);

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, (struct sockaddr *)&a, len))
		pfail("bind to port %d", port);
	xlisten(fd, 1);
	return fd;
}

static struct pair connected(int listener, int port)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, AF_INET, port);
	struct pair ret = { .client = xsocket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) };

	if (connect(ret.client, (struct sockaddr *)&a, len) == 0 || errno != EINPROGRESS)
		pfail("connect to port %d", port);
	if (poll(&p, 1, 10000) != 1)
		fail("nothing comes at port %d", port);
	ret.server = xaccept(listener);
	return ret;
}

static void passes(int from, int to, const char *text)
{
	struct pollfd p = { .fd = to, .events = POLLIN };

	xsend(from, text);
	if (poll(&p, 1, 10000) != 1)
		fail("\"%s\" does not come", text);
	expect_recv(to, text);
}

int main(int argc, char **argv)
{
	struct pair control, zoned, data;
	int later;

	test_init(argc, argv);
	if (system("command -v conntrack > /dev/null"))
		skip("no conntrack tool");
	write_rules();
	net_setup(setup);
	control = connected(listen_at(CONTROL), CONTROL);
	zoned = connected(listen_at(ZONED), ZONED);
	passes(control.client, control.server, "USER x\r\n");
	passes(control.server, control.client, "200 ok\r\n");
	passes(control.client, control.server, "PORT 127,0,0,1,200,10\r\n");
	data = connected(listen_at(DATA), DATA);
	passes(control.client, control.server, "PORT 127,0,0,1,200,11\r\n");
	if (system("conntrack -L expect 2>/dev/null | grep -q dport=51211"))
		skip("no FTP helper in this kernel");
	later = listen_at(LATER);
	net_compare(state);
	passes(control.client, control.server, "NOOP\r\n");
	passes(zoned.client, zoned.server, "in the zone");
	passes(data.client, data.server, "of the data");
	data = connected(later, LATER);
	passes(data.client, data.server, "more data");
	pass();
}
