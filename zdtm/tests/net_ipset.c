/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of ip_set of every type this kernel has, over IPv4 and IPv6, with their options, elements, times,
 * counters and comments; a gap in their numbers; rules that look into them, which work afterwards.
 */
/* modes: ns userns twice */
/* timeout: 60 */
#include <unistd.h>

#include "netstate.h"
#include "sockets.h"

static const char *const types[] = {
	"create b1 bitmap:ip range 10.0.0.0/16 netmask 24 counters comment",
	"add b1 10.0.3.0 packets 5 bytes 60 comment 'with a comment'",
	"create b2 bitmap:ip,mac range 10.1.0.0/24",
	"add b2 10.1.0.7,02:00:00:00:00:07",
	"add b2 10.1.0.8",
	"create b3 bitmap:port range 1000-2000 skbinfo",
	"add b3 1234 skbmark 0x11/0xff skbprio 1:10 skbqueue 3",
	"create h1 hash:ip timeout 5000 maxelem 77 hashsize 128 counters forceadd",
	"add h1 10.2.0.1 timeout 4000 packets 9 bytes 99",
	"add h1 10.2.0.2 timeout 0",
	"create h16 hash:ip family inet6 netmask 64 comment bucketsize 4",
	"add h16 fd00:1::1 comment six",
	"create h2 hash:ip,port",
	"add h2 10.3.0.1,tcp:80",
	"add h2 10.3.0.2,udp:53",
	"add h2 10.3.0.3,icmp:echo-request",
	"create h26 hash:ip,port family inet6",
	"add h26 fd00:2::1,tcp:443",
	"create h3 hash:ip,port,ip",
	"add h3 10.4.0.1,tcp:80,10.4.0.2",
	"create h36 hash:ip,port,ip family inet6",
	"add h36 fd00:3::1,udp:53,fd00:3::2",
	"create h4 hash:ip,port,net",
	"add h4 10.5.0.1,tcp:80,10.5.1.0/24",
	"create h46 hash:ip,port,net family inet6",
	"add h46 fd00:4::1,tcp:80,fd00:5::/64",
	"create h5 hash:net counters",
	"add h5 10.6.0.0/16",
	"add h5 10.6.7.0/24 nomatch",
	"create h56 hash:net family inet6 timeout 9000",
	"add h56 fd00:6::/32",
	"create h6 hash:net,port",
	"add h6 10.7.0.0/16,sctp:99",
	"create h66 hash:net,port family inet6",
	"add h66 fd00:7::/48,tcp:22",
	"create h7 hash:net,iface",
	"add h7 10.8.0.0/16,lo",
	"add h7 10.8.0.0/16,physdev:eth9",
	"create h76 hash:net,iface family inet6",
	"add h76 fd00:8::/48,lo",
	"create l1 list:set size 16 counters comment",
	"add l1 h5 comment first",
	"add l1 h1",
	"add l1 h16",
	NULL,
};

static const char *const setup[] = {
	"ip link set lo up",
	"ipset create gap hash:ip",
	"ipset restore < sets",
	"ipset destroy gap; ipset destroy h36", /* two numbers nobody has */
	"ipset create many hash:ip,port maxelem 100000",
	"for i in $(seq 0 80); do for j in $(seq 1 100); do echo add many 10.$i.$j.1,tcp:$j; done; done | "
	"ipset "
	"restore",
	"ipset create here hash:ip,port; ipset add here 127.0.0.1,tcp:4321",
	"ipset create here6 hash:ip family inet6; ipset add here6 ::1",
	"iptables-legacy -A INPUT -p tcp -m set --match-set here dst,dst -j DROP",
	"ip6tables-legacy -A INPUT -p tcp --dport 4321 -m set --match-set here6 src -j DROP",
	"iptables-legacy -A INPUT -p udp -j SET --add-set h2 src,dst",
	NULL,
};

/* What goes on with the time is left out; that it goes on from where it was is looked at apart. */
static const char *const state[] = {
	"ipset save many | sort | md5sum",
	"ipset save | grep -v ' many ' | sed 's/ timeout [1-9][0-9]* *$//; s/ timeout [34][0-9]* / /; s/ "
	"initval [^ ]*//' | sort",
	"ipset list -n | sort",
	"ipset list l1 | sed '1,/^Members/d'",
	"iptables-legacy -S",
	"ip6tables-legacy -S",
	NULL,
};

static long time_left(void)
{
	long left = -1;
	FILE *p = popen("ipset save h1 | sed -n 's/^add h1 10.2.0.1 timeout \\([0-9]*\\).*/\\1/p'", "r");

	if (!p || fscanf(p, "%ld", &left) != 1)
		fail("no time left");
	pclose(p);
	return left;
}

static void write_sets(void)
{
	FILE *f = fopen("sets", "w");

	if (!f)
		pfail("sets");
	for (int i = 0; types[i]; i++) {
		/* ipset(8) knows double quotes only */
		for (const char *c = types[i]; *c; c++)
			fputc(*c == '\'' ? '"' : *c, f);
		fputc('\n', f);
	}
	fclose(f);
}

/* Whether the rule that looks into the set drops a call. */
static bool drops(int domain, int port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domain, port);
	int fd = xsocket(domain, SOCK_STREAM | SOCK_NONBLOCK, 0), err;

	if (connect(fd, (struct sockaddr *)&a, len) == 0 || errno != EINPROGRESS)
		pfail("connect");
	err = get_int(fd, SOL_SOCKET, SO_ERROR);
	close(fd);
	return !err; /* nobody listens: what is not dropped is refused at once */
}

static void check_rules(void)
{
	if (!drops(AF_INET, 4321) || drops(AF_INET, 4322) || !drops(AF_INET6, 4321) || drops(AF_INET6, 4322))
		fail("the rules do not see the sets");
}

int main(int argc, char **argv)
{
	long before;

	setenv("XTABLES_LOCKFILE", "xtables.lock", 1); /* root of a user namespace has no other */
	test_init(argc, argv);
	if (system("iptables-legacy -S > /dev/null && ipset create x hash:ip && ipset destroy x"))
		skip("no ipset, no legacy iptables");
	write_sets();
	net_setup(setup);
	check_rules();
	before = time_left();
	net_compare(state);
	check_rules();
	if (time_left() > before || time_left() < before - 60)
		fail("%ld seconds were left, now %ld", before, time_left());
	pass();
}
