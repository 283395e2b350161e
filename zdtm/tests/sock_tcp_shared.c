/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host running twice */
/* dump: --tcp-established */
/* restore: --tcp-established --action-script ./away */
/* timeout: 90 */
/*
 * The network namespace is shared with a peer that is not dumped: over IPv4 and IPv6, called by it and
 * calling it, everything it sends meanwhile comes back in order and no connection is reset. While we
 * are away (2 seconds) a table of nftables holds the connections; nothing of it is left.
 */
#include "sockets.h"

#include <poll.h>
#include <sys/wait.h>

#define CONNS 5
#define ROOM 4096

static const struct {
	int domain;
	bool mapped, we_call;
} kinds[CONNS] = {
	{ AF_INET, false, false }, { AF_INET6, false, false }, { AF_INET, true, false },
	{ AF_INET, false, true },  { AF_INET6, false, true },
};

static int ports[CONNS]; /* of who listens */

static void say(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(1);
	close(fd);
}

static void peer_fails(int i, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "connection %d: %s: %s", i, what, strerror(errno));
	say("peer.failed", text);
	_exit(1);
}

struct stream {
	int fd;
	bool ended;
	unsigned long sent, got;
};

static unsigned char byte_at(int i, unsigned long at)
{
	return at * 7 + (at >> 8) + i;
}

static void peer_sends(int i, struct stream *s)
{
	unsigned char buf[100];
	ssize_t n;

	for (size_t j = 0; j < sizeof(buf); j++)
		buf[j] = byte_at(i, s->sent + j);
	n = send(s->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		peer_fails(i, "send");
	if (n > 0)
		s->sent += n;
}

static void peer_receives(int i, struct stream *s)
{
	unsigned char buf[ROOM];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN)
		peer_fails(i, "recv");
	for (ssize_t j = 0; j < n; j++)
		if (buf[j] != byte_at(i, s->got + j))
			peer_fails(i, "another byte than was sent");
	if (n > 0)
		s->got += n;
	if (n == 0) {
		errno = 0;
		if (!s->ended || s->got != s->sent)
			peer_fails(i, "an early end");
		close(s->fd);
		s->fd = -1;
	}
}

/* Sends all the time, until "stop" is there; then the rest must come back. */
static void peer_talks(struct stream *s)
{
	for (int left = CONNS; left;) {
		bool stop = access("stop", F_OK) == 0;

		left = 0;
		for (int i = 0; i < CONNS; i++) {
			if (s[i].fd < 0)
				continue;
			left++;
			if (!stop)
				peer_sends(i, &s[i]);
			else if (!s[i].ended && (s[i].ended = true) && shutdown(s[i].fd, SHUT_WR) < 0)
				peer_fails(i, "shutdown");
			peer_receives(i, &s[i]);
		}
		usleep(2000);
	}
	say("peer.ok", "ok");
}

static void peer(int *listeners)
{
	struct stream s[CONNS] = { 0 };

	for (int i = 0; i < CONNS; i++)
		if (kinds[i].we_call) {
			s[i].fd = xaccept(listeners[i]);
			close(listeners[i]);
		} else {
			close(listeners[i]);
			s[i].fd = xsocket(kinds[i].domain, SOCK_STREAM, 0);
			xconnect_loopback(s[i].fd, kinds[i].domain, ports[i]);
		}
	peer_talks(s);
	_exit(0);
}

/* Not a child of ours: its parent ends at once. */
static void start_peer(int *listeners)
{
	pid_t pid = fork();

	if (pid < 0)
		pfail("fork");
	if (pid == 0) {
		if (fork() == 0) {
			setsid();
			peer(listeners);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static int listen_at(int i)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	int fd = xsocket(kinds[i].mapped ? AF_INET6 : kinds[i].domain, SOCK_STREAM, 0);
	socklen_t len = sizeof(any);

	if (!kinds[i].mapped)
		ports[i] = xbind_loopback(fd, kinds[i].domain);
	else if (bind(fd, (struct sockaddr *)&any, len) || getsockname(fd, (struct sockaddr *)&any, &len))
		pfail("bind");
	else
		ports[i] = ntohs(any.sin6_port);
	xlisten(fd, 1);
	return fd;
}

static void echo(int *fds, int timeout)
{
	struct pollfd p[CONNS];
	char buf[ROOM];

	for (int i = 0; i < CONNS; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	poll(p, CONNS, timeout);
	for (int i = 0; i < CONNS; i++) {
		ssize_t n = fds[i] >= 0 ? recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT) : -1;

		if (n < 0) {
			if (fds[i] >= 0 && errno != EAGAIN)
				pfail("receive on connection %d", i);
			continue;
		}
		if (n == 0) {
			close(fds[i]);
			fds[i] = -1;
		} else if (send(fds[i], buf, n, MSG_NOSIGNAL) != n) {
			pfail("send on connection %d", i);
		}
	}
}

/* What is said of our connections in nftables, by the port of the first that we listen at. */
static bool held(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "nft list ruleset | grep -q ' \\. %d '", ports[0]);
	return system(cmd) == 0;
}

static void write_script(void)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\n[ \"$CRTOOLS_SCRIPT_ACTION\" = pre-restore ] || exit 0\n"
		 "nft list ruleset | grep -q ' \\. %d ' || touch not-held\nsleep 2\n",
		 ports[0]);
	say("away", text);
	if (chmod("away", 0755))
		pfail("away");
}

int main(int argc, char **argv)
{
	int listeners[CONNS], fds[CONNS];

	test_init(argc, argv);
	if (system("nft list tables > /dev/null"))
		skip("no nft");
	for (int i = 0; i < CONNS; i++)
		listeners[i] = listen_at(i);
	write_script();
	start_peer(listeners);
	for (int i = 0; i < CONNS; i++) {
		if (kinds[i].we_call) {
			fds[i] = xsocket(kinds[i].domain, SOCK_STREAM, 0);
			xconnect_loopback(fds[i], kinds[i].domain, ports[i]);
			close(listeners[i]);
		} else {
			fds[i] = xaccept(listeners[i]);
		}
	}
	test_daemon();
	while (test_go())
		echo(fds, 10);
	/* with --leave-running nothing is held: the test ends, and is restored once more */
	if (access("stop", F_OK) && access("not-held", F_OK) == 0)
		fail("the connections were not held");
	if (held())
		fail("the connections are still held: see nft list ruleset");
	say("stop", "");
	while (access("peer.ok", F_OK) && access("peer.failed", F_OK))
		echo(fds, 10);
	if (access("peer.failed", F_OK) == 0)
		fail("the peer: see peer.failed");
	pass();
}
