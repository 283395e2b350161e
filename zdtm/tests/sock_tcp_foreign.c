/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* Half-closed connections of an address that is local only by a route (AnyIP), both families. */
#include "sockets.h"

#include "netstate.h"

static const char *const setup[] = { "ip link set lo up", "ip route add local 10.99.0.0/16 dev lo",
				     "ip -6 route add local fd99::/64 dev lo", NULL };

static socklen_t addr(struct sockaddr_storage *a, int domain, const char *text, int port)
{
	memset(a, 0, sizeof(*a));
	a->ss_family = domain;
	((struct sockaddr_in *)a)->sin_port = htons(port);
	if (domain == AF_INET)
		inet_pton(domain, text, &((struct sockaddr_in *)a)->sin_addr);
	else
		inet_pton(domain, text, &((struct sockaddr_in6 *)a)->sin6_addr);
	return domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

int main(int argc, char **argv)
{
	static const int domains[] = { AF_INET, AF_INET6 };
	static const char *const servers[] = { "10.99.1.1", "fd99::1" }, *const clients[] = { "10.99.2.2",
											      "fd99::2" };
	int client[4], server[4], state[4];

	test_init(argc, argv);
	net_setup(setup);
	for (int i = 0; i < 4; i++) {
		struct sockaddr_storage a;
		int d = domains[i / 2], l = xsocket(d, SOCK_STREAM, 0);
		socklen_t len = addr(&a, d, servers[i / 2], 0);

		set_int(l, d == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, d == AF_INET ? IP_FREEBIND : 78, 1);
		if (bind(l, (struct sockaddr *)&a, len))
			pfail("bind");
		xlisten(l, 1);
		client[i] = xsocket(d, SOCK_STREAM, 0);
		set_int(client[i], d == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, d == AF_INET ? IP_FREEBIND : 78,
			1);
		len = addr(&a, d, clients[i / 2], 0);
		if (bind(client[i], (struct sockaddr *)&a, len))
			pfail("bind client");
		len = addr(&a, d, servers[i / 2], local_port(l));
		if (connect(client[i], (struct sockaddr *)&a, len))
			pfail("connect");
		server[i] = xaccept(l);
		close(l);
		shutdown(i % 2 ? client[i] : server[i], SHUT_WR);
		while ((state[i] = tcp_state(server[i])) == TCP_ESTABLISHED || state[i] == TCP_FIN_WAIT1)
			usleep(1000);
	}
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 4; i++) {
		if (tcp_state(server[i]) != state[i])
			fail("state %d, was %d", tcp_state(server[i]), state[i]);
		expect_eof(i % 2 ? server[i] : client[i]);
		xsend(i % 2 ? server[i] : client[i], "late");
		expect_recv(i % 2 ? client[i] : server[i], "late");
	}
	pass();
}
