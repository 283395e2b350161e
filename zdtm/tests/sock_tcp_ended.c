/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* restore: --tcp-established */
/*
 * TCP connections that are over, with something left to be read by who still has the socket: data and
 * end of file, data and ECONNRESET, ECONNREFUSED, data, end of file and EPIPE.
 */
#include "sockets.h"

#include <poll.h>

enum { FINISHED, RESET, REFUSED, EMPTY, BROKEN, KINDS };

static const int domains[] = { AF_INET, AF_INET6 };
static int fds[2][KINDS], events[2][KINDS], local[2][KINDS];
static char big[200000];

static int poll_all(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	return p.revents;
}

static void send_all(int fd)
{
	for (size_t at = 0; at < sizeof(big);) {
		ssize_t n = send(fd, big + at, sizeof(big) - at, MSG_NOSIGNAL);

		if (n <= 0)
			pfail("send");
		at += n;
	}
}

static int make(int kind, int domain)
{
	static const struct linger reset = { 1, 0 };
	int l = xsocket(domain, SOCK_STREAM, 0), port = xbind_loopback(l, domain), c, s;

	c = xsocket(domain, SOCK_STREAM | (kind == REFUSED ? SOCK_NONBLOCK : 0), 0);
	if (kind != REFUSED) {
		set_int(c, SOL_SOCKET, SO_RCVBUF, 1 << 20);
		xlisten(l, 1);
		xconnect_loopback(c, domain, port);
		s = xaccept(l);
		if (kind == BROKEN && (send(s, "x", 1, 0) != 1 || shutdown(s, SHUT_WR)))
			pfail("shutdown");
		while (kind == BROKEN && tcp_state(c) != TCP_CLOSE_WAIT)
			usleep(1000);
		if ((kind == RESET || kind == BROKEN) &&
		    setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
			pfail("SO_LINGER");
		if (kind != EMPTY && kind != BROKEN)
			send_all(s);
		while (get_int(s, IPPROTO_TCP, TCP_MAXSEG) && kind != EMPTY && kind != BROKEN) {
			struct tcp_info info;
			socklen_t len = sizeof(info);

			if (getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len) || !info.tcpi_unacked)
				break;
			usleep(1000);
		}
		if (kind != RESET && kind != BROKEN)
			shutdown(c, SHUT_WR);
		close(s);
	} else {
		struct sockaddr_storage a;
		socklen_t len = loopback(&a, domain, port);

		if (connect(c, (struct sockaddr *)&a, len) == 0)
			fail("connected to nobody");
	}
	close(l);
	while (tcp_state(c) != TCP_CLOSE)
		usleep(1000);
	return c;
}

static void check(int kind, int d)
{
	int fd = fds[d][kind];
	char c;

	if (tcp_state(fd) != TCP_CLOSE || poll_all(fd) != events[d][kind])
		fail("kind %d: state %d, events %x, were %x", kind, tcp_state(fd), poll_all(fd),
		     events[d][kind]);
	if (kind != REFUSED && local_port(fd) != local[d][kind])
		fail("kind %d: port %d, was %d", kind, local_port(fd), local[d][kind]);
	if (kind == REFUSED) {
		if (get_int(fd, SOL_SOCKET, SO_ERROR) != ECONNREFUSED)
			fail("it is not refused");
		return;
	}
	if (kind == BROKEN) {
		expect_recv(fd, "x");
		if (get_int(fd, SOL_SOCKET, SO_ERROR) != EPIPE)
			fail("its error is another one");
		return;
	}
	if (kind != EMPTY)
		expect_data(fd, big, sizeof(big));
	if (kind == RESET && (recv(fd, &c, 1, 0) >= 0 || errno != ECONNRESET))
		fail("it is not reset");
	expect_eof(fd);
	if (send(fd, "x", 1, MSG_NOSIGNAL) >= 0 || errno != EPIPE)
		fail("kind %d: it sends", kind);
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	pattern_fill(big, sizeof(big), 3);
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < KINDS; k++) {
			fds[d][k] = make(k, domains[d]);
			events[d][k] = poll_all(fds[d][k]);
			local[d][k] = local_port(fds[d][k]);
		}
	test_daemon();
	test_waitsig();
	for (int d = 0; d < 2; d++)
		for (int k = 0; k < KINDS; k++)
			check(k, d);
	pass();
}
