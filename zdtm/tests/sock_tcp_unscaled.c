/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * A connection without window scaling: the window it promises is still what its peer takes it for, not a
 * part of it.
 */
#include "repair.h"

#include "netstate.h"

static const char *const setup[] = { "ip link set lo up", "echo 0 > /proc/sys/net/ipv4/tcp_window_scaling",
				     NULL };

int main(int argc, char **argv)
{
	static const int domains[] = { AF_INET, AF_INET6 };
	int client[2], server[2];
	unsigned int before[2];

	test_init(argc, argv);
	net_setup(setup);
	for (int i = 0; i < 2; i++) {
		int l = xsocket(domains[i], SOCK_STREAM, 0), port = xbind_loopback(l, domains[i]);

		xlisten(l, 1);
		client[i] = xsocket(domains[i], SOCK_STREAM, 0);
		xconnect_loopback(client[i], domains[i], port);
		server[i] = xaccept(l);
		close(l);
		xsend(client[i], "before");
		expect_recv(server[i], "before");
		xsend(server[i], "before");
		expect_recv(client[i], "before");
		before[i] = windows_of(client[i]).snd_wnd;
	}
	file_put("/proc/sys/net/ipv4/tcp_window_scaling", "1");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 2; i++) {
		xsend(client[i], "after");
		expect_recv(server[i], "after");
		xsend(server[i], "after");
		expect_recv(client[i], "after");
		test_msg("window %u, was %u, mss %d\n", windows_of(client[i]).snd_wnd, before[i],
			 get_int(client[i], IPPROTO_TCP, TCP_MAXSEG));
		if (windows_of(client[i]).snd_wnd < before[i] / 2)
			fail("domain %d: the window is %u, was %u", domains[i], windows_of(client[i]).snd_wnd,
			     before[i]);
	}
	pass();
}
