/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse: MD5 signatures with ::1 */
/* A listening socket with a key for TCP MD5 signatures is refused, by the name of the peer. */
#include "sockets.h"

int main(int argc, char **argv)
{
	struct tcp_md5sig key = { .tcpm_keylen = 6, .tcpm_key = "secret" };
	int l;

	test_init(argc, argv);
	l = xsocket(AF_INET6, SOCK_STREAM, 0);
	xbind_loopback(l, AF_INET6);
	loopback(&key.tcpm_addr, AF_INET6, 0);
	if (setsockopt(l, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)))
		skip("no TCP_MD5SIG");
	xlisten(l, 1);
	test_daemon();
	test_waitsig();
	pass();
}
