/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns running twice */
/* dump: --tcp-established */
/* restore: --tcp-established */
/* timeout: 60 */
/*
 * TCP connections with megabytes under way in both directions at once: unread, sent but not acknowledged,
 * and not sent yet, IPv4 and IPv6; one direction was closed behind them.
 */
#include "sockets.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#define BUFFER (3 << 20)
#define MOST (32 << 20)

struct way {
	int from, to;
	size_t sent, got;
	unsigned int seed;
};

static struct way ways[2][2];
static char part[65536], want[65536];

/* Byte @at of a way. */
static void fill(const struct way *w, size_t at, char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)((at + i) * 2654435761u >> 13 ^ w->seed);
}

static void stuff(struct way *w)
{
	int quiet = 0, unsent = 0, unread = 0;

	/* Until nothing moves any more. */
	while (quiet < 20 && w->sent < MOST) {
		ssize_t n;

		fill(w, w->sent, part, sizeof(part));
		n = send(w->from, part, sizeof(part), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			w->sent += n;
		quiet = n > 0 ? 0 : quiet + 1;
		if (n <= 0)
			usleep(2000);
	}
	if (ioctl(w->from, SIOCOUTQNSD, &unsent) || ioctl(w->to, SIOCINQ, &unread))
		pfail("ioctl");
	test_msg("%zu bytes sent, %d of them not sent yet, %d unread\n", w->sent, unsent, unread);
	if (w->sent < (2u << 20) || unsent < (1 << 20) || unread < (1 << 19))
		fail("%zu bytes sent, %d of them not sent yet, %d unread: too little for this test", w->sent,
		     unsent, unread);
}

static void make(int domain, struct way w[2])
{
	int l = xsocket(domain, SOCK_STREAM, 0), port = xbind_loopback(l, domain);

	set_int(l, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER);
	xlisten(l, 1);
	w[0].from = w[1].to = xsocket(domain, SOCK_STREAM, 0);
	set_int(w[0].from, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER);
	xconnect_loopback(w[0].from, domain, port);
	w[0].to = w[1].from = xaccept(l);
	close(l);
	for (int i = 0; i < 2; i++) {
		set_int(w[i].from, SOL_SOCKET, SO_SNDBUFFORCE, 2 * BUFFER);
		w[i].seed = domain * 2 + i;
	}
	for (int i = 0; i < 2; i++)
		stuff(&w[i]);
	shutdown(w[0].from, SHUT_WR);
}

static int drain(struct way *w)
{
	ssize_t n = recv(w->to, part, sizeof(part), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		fail("after %zu of %zu bytes: %s", w->got, w->sent, n ? strerror(errno) : "end of file");
	fill(w, w->got, want, n);
	if (memcmp(part, want, n))
		fail("data differ in the %zd bytes after %zu", n, w->got);
	w->got += n;
	return w->got == w->sent;
}

static void check(struct way w[2])
{
	int done[2] = { 0 };

	while (!done[0] || !done[1]) {
		struct pollfd p[2] = { { .fd = done[0] ? -1 : w[0].to, .events = POLLIN },
				       { .fd = done[1] ? -1 : w[1].to, .events = POLLIN } };

		poll(p, 2, -1);
		for (int i = 0; i < 2; i++)
			if (!done[i] && p[i].revents)
				done[i] = drain(&w[i]);
	}
	expect_eof(w[0].to);
	xsend(w[1].from, "last");
	expect_recv(w[1].to, "last");
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	if (getuid())
		skip("needs root");
	make(AF_INET, ways[0]);
	make(AF_INET6, ways[1]);
	test_daemon();
	test_waitsig();
	check(ways[0]);
	check(ways[1]);
	pass();
}
