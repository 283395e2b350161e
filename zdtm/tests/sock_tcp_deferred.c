/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * Connections that TCP_DEFER_ACCEPT keeps from being accepted until their clients say something: IPv4, IPv6,
 * IPv4 at a socket for both. When they do, they are heard.
 */
#include "sockets.h"

#define EACH 3

static const struct kind {
	int domain, client;
} kinds[] = { { AF_INET, AF_INET }, { AF_INET6, AF_INET6 }, { AF_INET6, AF_INET } };

#define KINDS (int)(sizeof(kinds) / sizeof(*kinds))

static int listen_on(int domain)
{
	struct sockaddr_storage a = { .ss_family = domain };
	int l = xsocket(domain, SOCK_STREAM, 0);

	if (bind(l, (struct sockaddr *)&a,
		 domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)))
		pfail("bind");
	set_int(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 100);
	xlisten(l, EACH);
	return l;
}

int main(int argc, char **argv)
{
	int listener[KINDS], client[KINDS][EACH];

	test_init(argc, argv);
	for (int k = 0; k < KINDS; k++) {
		listener[k] = listen_on(kinds[k].domain);
		for (int i = 0; i < EACH; i++) {
			client[k][i] = xsocket(kinds[k].client, SOCK_STREAM, 0);
			xconnect_loopback(client[k][i], kinds[k].client, local_port(listener[k]));
		}
	}
	test_daemon();
	test_waitsig();
	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < EACH; i++)
			xsend(client[k][i], "at last");
	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < EACH; i++) {
			int fd = xaccept(listener[k]);

			expect_recv(fd, "at last");
			xsend(fd, "back");
			close(fd);
		}
	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < EACH; i++) {
			expect_recv(client[k][i], "back");
			expect_eof(client[k][i]);
		}
	pass();
}
