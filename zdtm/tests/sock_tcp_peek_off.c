/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* SO_PEEK_OFF of connections: nothing is missed that lies before it, and it is where it was. */
#include "sockets.h"

int main(int argc, char **argv)
{
	int l, port, client, server;
	char buf[100] = { 0 };

	test_init(argc, argv);
	l = xsocket(AF_INET, SOCK_STREAM, 0);
	port = xbind_loopback(l, AF_INET);
	xlisten(l, 1);
	client = xsocket(AF_INET, SOCK_STREAM, 0);
	xconnect_loopback(client, AF_INET, port);
	server = xaccept(l);
	if (setsockopt(server, SOL_SOCKET, SO_PEEK_OFF, &(int){ 0 }, sizeof(int)))
		skip("no SO_PEEK_OFF for TCP");
	xsend(client, "first second");
	if (recv(server, buf, 6, MSG_PEEK) != 6 || strcmp(buf, "first "))
		fail("peeked '%s'", buf);
	test_daemon();
	test_waitsig();
	if (get_int(server, SOL_SOCKET, SO_PEEK_OFF) != 6)
		fail("offset %d", get_int(server, SOL_SOCKET, SO_PEEK_OFF));
	memset(buf, 0, sizeof(buf));
	if (recv(server, buf, 6, MSG_PEEK) != 6 || strcmp(buf, "second"))
		fail("peeked '%s'", buf);
	expect_recv(server, "first second");
	xsend(server, "back");
	expect_recv(client, "back");
	pass();
}
