/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network lock in namespaces of our own: what it drops, what passes, that it dies with its holder. */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
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

#include "base/netns.h"
#include "netlock/netlock.h"

static int loopback_up(void *arg)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	_cleanup_close_ int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0 || ioctl(s, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

/* Runs in a thread of its own, which keeps the new namespace; the descriptor outlives it. */
static int fresh(void *arg)
{
	int *ret_fd = arg;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	*ret_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : loopback_up(NULL);
}

static int fresh_netns(void)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = -1;

	assert_int_equal(netns_call(own, fresh, &fd), 0);
	return fd;
}

struct pair {
	int tx, rx;
};

static struct pair udp_pair(int ns)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct pair p;

	p.rx = netns_socket(ns, AF_INET, SOCK_DGRAM, 0);
	p.tx = netns_socket(ns, AF_INET, SOCK_DGRAM, 0);
	assert_true(p.rx >= 0 && p.tx >= 0);
	assert_int_equal(bind(p.rx, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(p.rx, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(p.tx, (struct sockaddr *)&a, sizeof(a)), 0);
	return p;
}

/* Loopback delivers before send returns, so what is not there then was dropped. */
static bool passes(struct pair p)
{
	char c = 0;

	if (send(p.tx, "x", 1, MSG_NOSIGNAL) < 0)
		return false;
	return recv(p.rx, &c, 1, MSG_DONTWAIT) == 1 && c == 'x';
}

static void pair_close(struct pair p)
{
	close(p.rx);
	close(p.tx);
}

static void test_lock_drops_and_unlock_lets_pass(void **state)
{
	_cleanup_close_ int ns = fresh_netns(), other = fresh_netns();
	struct pair p = udp_pair(ns), q = udp_pair(other);
	struct netlock_ns *l = NULL;

	assert_true(passes(p));
	assert_int_equal(netlock_open_ns(ns, &l), 0);
	assert_false(passes(p));
	assert_true(passes(q)); /* only that namespace */
	assert_int_equal(netlock_close(l), 0);
	assert_true(passes(p));
	pair_close(p);
	pair_close(q);
}

static void test_our_mark_passes(void **state)
{
	_cleanup_close_ int ns = fresh_netns();
	struct pair p = udp_pair(ns);
	struct netlock_ns *l = NULL;
	int mark = NETLOCK_MARK;

	assert_int_equal(netlock_open_ns(ns, &l), 0);
	assert_false(passes(p));
	assert_int_equal(setsockopt(p.tx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_true(passes(p));
	assert_int_equal(netlock_close(l), 0);
	pair_close(p);
}

static void test_locked_twice_is_refused(void **state)
{
	_cleanup_close_ int ns = fresh_netns();
	struct netlock_ns *l = NULL, *m = NULL;

	assert_int_equal(netlock_open_ns(ns, &l), 0);
	assert_int_not_equal(netlock_open_ns(ns, &m), 0);
	assert_null(m);
	assert_int_equal(netlock_close(l), 0);
	assert_int_equal(netlock_open_ns(ns, &m), 0);
	assert_int_equal(netlock_close(m), 0);
}

static void test_killed_holder_leaves_no_lock(void **state)
{
	_cleanup_close_ int ns = fresh_netns();
	struct pair p = udp_pair(ns);
	int sync[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(sync), 0);
	pid = fork();
	if (pid == 0) {
		struct netlock_ns *l = NULL;

		c = netlock_open_ns(ns, &l) == 0;
		if (write(sync[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(sync[0], &c, 1), 1);
	assert_int_equal(c, 1);
	assert_false(passes(p));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(passes(p));
	close(sync[0]);
	close(sync[1]);
	pair_close(p);
}

/* "veth0" with 10.99.0.@host/24 in the namespace of the calling thread. */
static int veth_address(int host)
{
	struct ifreq ifr = { .ifr_name = "veth0" };
	struct sockaddr_in *a = (struct sockaddr_in *)&ifr.ifr_addr;
	_cleanup_close_ int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a630000U + (unsigned)host) };
	if (s < 0 || ioctl(s, SIOCSIFADDR, &ifr) < 0)
		return -errno;
	a->sin_addr.s_addr = htonl(0xffffff00U);
	if (ioctl(s, SIOCSIFNETMASK, &ifr) < 0 || ioctl(s, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static int veth_near(void *arg)
{
	struct rtnl_link *link = rtnl_link_veth_alloc(), *peer = rtnl_link_veth_get_peer(link);
	struct nl_sock *sk = nl_socket_alloc();
	int ret;

	rtnl_link_set_name(link, "veth0");
	rtnl_link_set_name(peer, "veth0");
	rtnl_link_set_ns_fd(peer, *(int *)arg);
	ret = nl_connect(sk, NETLINK_ROUTE);
	if (ret >= 0)
		ret = rtnl_link_add(sk, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(peer);
	rtnl_link_put(link);
	nl_socket_free(sk);
	return ret < 0 ? -EIO : veth_address(1);
}

static int veth_far(void *arg)
{
	return veth_address(2);
}

/* A connection from @ns, and its accepted end: -1 when none comes within @ms. */
static struct pair tcp_pair(int ns, int listener, const struct sockaddr_in *a, int ms)
{
	struct pair p = { .tx = netns_socket(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) };
	struct pollfd in = { .fd = listener, .events = POLLIN };

	assert_true(p.tx >= 0);
	connect(p.tx, (const struct sockaddr *)a, sizeof(*a));
	poll(&in, 1, ms);
	p.rx = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	return p;
}

static void test_gate_holds_off_new_connections_only(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777) };
	_cleanup_close_ int ns = fresh_netns(), outside = fresh_netns(),
			    listener = netns_socket(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct netlock_ns *gate = NULL, *lock = NULL;
	struct pair p, q;

	assert_int_equal(netns_call(outside, veth_near, &ns), 0);
	assert_int_equal(netns_call(ns, veth_far, NULL), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 5), 0);
	a.sin_addr.s_addr = htonl(0x0a630002U);
	p = tcp_pair(outside, listener, &a, 5000);
	assert_true(p.rx >= 0);
	assert_int_equal(netlock_gate_ns(ns, &gate), 0);
	assert_int_equal(send(p.tx, "x", 1, 0), 1); /* what is connected goes on */
	assert_int_equal(poll(&(struct pollfd){ .fd = p.rx, .events = POLLIN }, 1, 5000), 1);
	q = tcp_pair(outside, listener, &a, 300);
	assert_true(q.rx < 0);
	close(q.tx);
	/* those inside are not held in SYN-SENT */
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	q = tcp_pair(ns, listener, &a, 5000);
	assert_true(q.rx >= 0);
	pair_close(q);
	assert_int_equal(netlock_open_ns(ns, &lock), 0); /* beside it */
	assert_int_equal(netlock_close(lock), 0);
	assert_int_equal(netlock_close(gate), 0);
	a.sin_addr.s_addr = htonl(0x0a630002U);
	q = tcp_pair(outside, listener, &a, 5000);
	assert_true(q.rx >= 0);
	pair_close(p);
	pair_close(q);
}

static void test_wrong_socket_is_an_error(void **state)
{
	struct netlock_ns *l = NULL;

	assert_true(netlock_open(socket(AF_INET, SOCK_DGRAM, 0), &l) < 0);
	assert_null(l);
	assert_int_equal(netlock_close(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock_drops_and_unlock_lets_pass),
		cmocka_unit_test(test_our_mark_passes),
		cmocka_unit_test(test_locked_twice_is_refused),
		cmocka_unit_test(test_killed_holder_leaves_no_lock),
		cmocka_unit_test(test_gate_holds_off_new_connections_only),
		cmocka_unit_test(test_wrong_socket_is_an_error),
	};

	return cmocka_run_group_tests_name("netlock", tests, NULL, NULL);
}
