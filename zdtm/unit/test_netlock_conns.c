/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock of single connections, in a network namespace of this program's own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "netlock/netlock.h"

struct pair {
	int client, server;
	struct netlock_conn at_server;
};

static int own_namespace(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int s, err;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	s = socket(AF_INET, SOCK_DGRAM, 0);
	err = ioctl(s, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (err == 0)
		err = ioctl(s, SIOCSIFFLAGS, &ifr);
	close(s);
	return err;
}

static socklen_t loopback(int family, struct sockaddr_storage *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (family == AF_INET) {
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

static void take_addr(const struct sockaddr_storage *a, uint8_t *addr, uint16_t *port)
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;

	*port = in->sin_port;
	if (a->ss_family == AF_INET)
		memcpy(addr, &in->sin_addr, 4);
	else
		memcpy(addr, &in6->sin6_addr, 16);
}

static int listener(int family, struct sockaddr_storage *ret)
{
	int fd = socket(family, SOCK_STREAM, 0);
	socklen_t len = loopback(family, ret);

	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static struct pair connected(int l, const struct sockaddr_storage *to)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	struct pair p = { .client = socket(to->ss_family, SOCK_STREAM, 0) };

	assert_int_equal(connect(p.client, (const struct sockaddr *)to, sizeof(*to)), 0);
	p.server = accept(l, (struct sockaddr *)&a, &len);
	assert_true(p.server >= 0);
	p.at_server.family = to->ss_family;
	take_addr(to, p.at_server.local, &p.at_server.lport);
	take_addr(&a, p.at_server.remote, &p.at_server.rport);
	return p;
}

static void pair_close(struct pair p)
{
	close(p.client);
	close(p.server);
}

/* Loopback delivers before send(2) returns: what is not there then was dropped. */
static bool passes(int from, int to)
{
	char c;

	assert_int_equal(send(from, "x", 1, MSG_NOSIGNAL), 1);
	return recv(to, &c, 1, MSG_DONTWAIT) == 1;
}

/* What was dropped comes again. */
static void comes(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 1);
}

static void one_family(int family)
{
	struct sockaddr_storage a;
	int l = listener(family, &a);
	struct pair p = connected(l, &a), q = connected(l, &a);
	struct netlock_conns c = { .v = &p.at_server, .n = 1 };
	struct netlock_ns *lock = NULL;

	assert_true(passes(p.client, p.server));
	assert_int_equal(netlock_open_conns(&c, &lock), 0);
	assert_false(passes(p.client, p.server));
	assert_false(passes(p.server, p.client));
	assert_true(passes(q.client, q.server)); /* the same port of ours */
	assert_true(passes(q.server, q.client));
	assert_int_equal(netlock_add(lock, &q.at_server, 1), 0);
	assert_false(passes(q.client, q.server));
	assert_int_equal(netlock_close(lock), 0);
	comes(p.server);
	comes(p.client);
	comes(q.server);
	pair_close(p);
	pair_close(q);
	close(l);
}

static void test_only_given_connections(void **state)
{
	one_family(AF_INET);
	one_family(AF_INET6);
}

static void test_nobody_knocks_at_given_ports(void **state)
{
	struct sockaddr_storage a, b;
	int l = listener(AF_INET, &a), m = listener(AF_INET, &b), fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port = ((struct sockaddr_in *)&a)->sin_port;
	struct netlock_conns c = { .ports = &port, .n_ports = 1 };
	struct pollfd in = { .fd = l, .events = POLLIN };
	struct pair p = connected(l, &a);
	struct netlock_ns *lock = NULL;

	assert_int_equal(netlock_open_conns(&c, &lock), 0);
	assert_true(passes(p.client, p.server));
	pair_close(connected(m, &b));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	connect(fd, (struct sockaddr *)&a, sizeof(a));
	assert_int_equal(poll(&in, 1, 0), 0);
	assert_int_equal(netlock_close(lock), 0);
	assert_int_equal(poll(&in, 1, 20000), 1);
	pair_close(p);
	close(fd);
	close(l);
	close(m);
}

static bool holds(const char *id)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "nft list tables | grep -q '" NETLOCK_HOLD "%s$'", id);
	return system(cmd) == 0;
}

static void test_hold_outlives_its_maker(void **state)
{
	struct sockaddr_storage a;
	int l = listener(AF_INET6, &a), status;
	struct pair p = connected(l, &a), q = connected(l, &a);
	struct netlock_conns c = { .v = &p.at_server, .n = 1 };
	pid_t pid = fork();

	if (pid == 0)
		_exit(netlock_hold("x", &c, 600) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(passes(p.client, p.server));
	assert_true(passes(q.client, q.server));
	assert_int_equal(netlock_sweep(), 0);
	assert_true(holds("x"));
	c.v = &q.at_server;
	assert_int_equal(netlock_hold("x", &c, 600), 0); /* in its place */
	comes(p.server);
	assert_false(passes(q.client, q.server));
	assert_int_equal(netlock_unhold("x"), 0);
	assert_false(holds("x"));
	assert_int_equal(netlock_unhold("x"), 0);
	comes(q.server);
	pair_close(p);
	pair_close(q);
	close(l);
}

static void test_hold_times_out(void **state)
{
	struct sockaddr_storage a;
	int l = listener(AF_INET, &a);
	struct pair p = connected(l, &a);
	struct netlock_conns c = { .v = &p.at_server, .n = 1 };

	assert_int_equal(netlock_hold("y", &c, 1), 0);
	assert_false(passes(p.client, p.server));
	comes(p.server);
	assert_true(holds("y"));
	assert_int_equal(netlock_sweep(), 0);
	assert_false(holds("y"));
	pair_close(p);
	close(l);
}

static void test_killed_holder_leaves_no_lock(void **state)
{
	struct sockaddr_storage a;
	int l = listener(AF_INET, &a), sync[2];
	struct pair p = connected(l, &a);
	struct netlock_conns c = { .v = &p.at_server, .n = 1 };
	struct netlock_ns *lock = NULL;
	char done = 0;
	pid_t pid;

	assert_int_equal(pipe(sync), 0);
	pid = fork();
	if (pid == 0) {
		done = netlock_open_conns(&c, &lock) == 0;
		if (write(sync[1], &done, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(sync[0], &done, 1), 1);
	assert_int_equal(done, 1);
	assert_int_equal(system("nft flush ruleset"), 0); /* nobody else can take it away */
	assert_false(passes(p.client, p.server));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	comes(p.server);
	close(sync[0]);
	close(sync[1]);
	pair_close(p);
	close(l);
}

/* The real one is the last of many. */
static void test_many(void **state)
{
	enum { MANY = 20000 };
	struct netlock_conn *v = calloc(MANY, sizeof(*v));
	struct netlock_conns c = { .v = v, .n = MANY };
	struct sockaddr_storage a;
	int l = listener(AF_INET6, &a);
	struct pair p = connected(l, &a);
	struct netlock_ns *lock = NULL;

	for (uint32_t i = 0; i < MANY - 1; i++) {
		v[i].family = i % 2 ? AF_INET : AF_INET6;
		v[i].lport = htons(80);
		v[i].rport = htons(1024 + i);
		memcpy(v[i].remote, &i, sizeof(i));
	}
	v[MANY - 1] = p.at_server;
	assert_int_equal(netlock_open_conns(&c, &lock), 0);
	assert_false(passes(p.client, p.server));
	assert_int_equal(netlock_hold("many", &c, 600), 0);
	assert_int_equal(netlock_close(lock), 0);
	assert_false(passes(p.client, p.server));
	assert_int_equal(netlock_unhold("many"), 0);
	comes(p.server);
	pair_close(p);
	close(l);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_given_connections),
		cmocka_unit_test(test_nobody_knocks_at_given_ports),
		cmocka_unit_test(test_hold_outlives_its_maker),
		cmocka_unit_test(test_hold_times_out),
		cmocka_unit_test(test_killed_holder_leaves_no_lock),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("netlock of connections", tests, own_namespace, NULL);
}
