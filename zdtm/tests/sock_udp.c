/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP over IPv4: bound, connected, queued datagrams with their sender's address, sending on. */
#include "sockets.h"

#ifndef DOMAIN
#define DOMAIN AF_INET
#endif

static void expect_from(int fd, const char *text, int port)
{
	char buf[64] = { 0 };
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&a, &len) < 0)
		pfail("receive \"%s\"", text);
	if (strcmp(buf, text) || ntohs(((struct sockaddr_in *)&a)->sin_port) != port)
		fail("received \"%s\" from port %d, wanted \"%s\" from %d", buf,
		     ntohs(((struct sockaddr_in *)&a)->sin_port), text, port);
}

int main(int argc, char **argv)
{
	int server, client, idle, connected, other, sport, cport, oport;
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	test_init(argc, argv);
	server = xsocket(DOMAIN, SOCK_DGRAM, 0);
	client = xsocket(DOMAIN, SOCK_DGRAM, 0);
	idle = xsocket(DOMAIN, SOCK_DGRAM, 0);
	connected = xsocket(DOMAIN, SOCK_DGRAM, 0);
	other = xsocket(DOMAIN, SOCK_DGRAM, 0);
	sport = xbind_loopback(server, DOMAIN);
	cport = xbind_loopback(client, DOMAIN);
	oport = xbind_loopback(other, DOMAIN);
	xconnect_loopback(client, DOMAIN, sport);
	xconnect_loopback(connected, DOMAIN, oport);
	xsend(client, "one");
	xsend(client, "");
	xsend(client, "three");
	test_daemon();
	test_waitsig();
	expect_from(server, "one", cport);
	expect_from(server, "", cport);
	expect_from(server, "three", cport);
	expect_empty(server);
	xsend(client, "more");
	expect_from(server, "more", cport);
	xsend(connected, "x");
	expect_recv(other, "x");
	if (getsockname(idle, (struct sockaddr *)&a, &len) || ((struct sockaddr_in *)&a)->sin_port)
		fail("an idle socket is bound");
	if (getpeername(idle, (struct sockaddr *)&a, &len) == 0)
		fail("an idle socket is connected");
	pass();
}
