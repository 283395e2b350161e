/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns */
/* dump: --skip-in-flight */
/* Connections being made that are given up report that they were refused, as does a connect(2) under way. */
#include "sockets.h"

#include <poll.h>
#include <pthread.h>

#include "netstate.h"

static const char *const setup[] = {
	"ip link set lo up",
	"nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; };"
	"add rule inet wall in tcp flags & (syn | ack) == syn drop'",
	NULL,
};

static int blocking, port;

static void *connect_blocking(void *arg)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, AF_INET, port);

	return (void *)(long)(connect(blocking, (struct sockaddr *)&a, len) ? errno : 0);
}

int main(int argc, char **argv)
{
	static const int domains[] = { AF_INET, AF_INET6 };
	struct pollfd p = { .events = POLLOUT };
	struct sockaddr_storage a;
	pthread_t thread;
	socklen_t len;
	void *ret;
	int fd[2], listener[2];

	test_init(argc, argv);
	net_setup(setup);
	for (int i = 0; i < 2; i++) {
		listener[i] = xsocket(domains[i], SOCK_STREAM, 0);
		port = xbind_loopback(listener[i], domains[i]);
		xlisten(listener[i], 1);
		fd[i] = xsocket(domains[i], SOCK_STREAM | SOCK_NONBLOCK, 0);
		len = loopback(&a, domains[i], port);
		if (connect(fd[i], (struct sockaddr *)&a, len) == 0 || errno != EINPROGRESS)
			pfail("connect");
	}
	port = ntohs(((struct sockaddr_in *)&a)->sin_port);
	blocking = xsocket(AF_INET, SOCK_STREAM, 0);
	if (pthread_create(&thread, NULL, connect_blocking, NULL))
		fail("pthread_create");
	while (tcp_state(blocking) != TCP_SYN_SENT)
		usleep(1000);
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 2; i++) {
		p.fd = fd[i];
		if (poll(&p, 1, -1) != 1 || get_int(fd[i], SOL_SOCKET, SO_ERROR) != ECONNREFUSED)
			fail("socket %d: events %x, not refused", i, p.revents);
	}
	if (pthread_join(thread, &ret) || (long)ret != ECONNREFUSED)
		fail("connect(2): %s", strerror((long)ret));
	pass();
}
