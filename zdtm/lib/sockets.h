/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short steps of socket tests; each ends the test when it does not work. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zdtm.h"

static inline int xsocket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);

	if (fd < 0)
		pfail("socket(%d, %d, %d)", domain, type, protocol);
	return fd;
}

/* A path, or an abstract name written with a leading @. */
static inline socklen_t unix_addr(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strncpy(a->sun_path, name, sizeof(a->sun_path) - 1);
	if (name[0] != '@')
		return sizeof(*a);
	a->sun_path[0] = 0;
	return offsetof(struct sockaddr_un, sun_path) + strlen(name);
}

/* An abstract name of this process alone, by its pid when first asked. */
static inline const char *abstract_name(const char *what)
{
	static char names[4][64];
	static int n, pid;

	if (!pid)
		pid = getpid();
	snprintf(names[n % 4], sizeof(names[0]), "@zdtm-%s-%d-%d", what, getuid(), pid);
	return names[n++ % 4];
}

static inline void xbind_unix(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t len = unix_addr(&a, name);

	if (bind(fd, (struct sockaddr *)&a, len))
		pfail("bind %s", name);
}

static inline void xconnect_unix(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t len = unix_addr(&a, name);

	if (connect(fd, (struct sockaddr *)&a, len))
		pfail("connect %s", name);
}

static inline void xlisten(int fd, int backlog)
{
	if (listen(fd, backlog))
		pfail("listen");
}

static inline int xaccept(int fd)
{
	int ret = accept(fd, NULL, NULL);

	if (ret < 0)
		pfail("accept");
	return ret;
}

/* The socket's own or its peer's name is @want ("" is unnamed). */
static inline void expect_unix_name(int fd, int peer, const char *want)
{
	char buf[sizeof(struct sockaddr_un) + 1] = { 0 };
	struct sockaddr_un *a = (void *)buf;
	socklen_t len = sizeof(*a);

	if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)a, &len))
		pfail("name of a socket that should be \"%s\"", want);
	if (len <= offsetof(struct sockaddr_un, sun_path)) {
		if (want[0])
			fail("a socket has no name, wanted \"%s\"", want);
		return;
	}
	if (!a->sun_path[0])
		a->sun_path[0] = '@';
	if (strcmp(a->sun_path, want))
		fail("a socket's name is \"%s\", wanted \"%s\"", a->sun_path, want);
}

/* Fork a process that is no child of ours: its parent ends at once. True in it. */
static inline int fork_outside(void)
{
	pid_t pid = fork();

	if (pid < 0)
		pfail("fork");
	if (pid) {
		waitpid(pid, NULL, 0);
		return 0;
	}
	if (fork())
		_exit(0);
	return 1;
}

static inline void xsend(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		pfail("send \"%s\"", text);
}

/* One read gives exactly @want. */
static inline void expect_recv(int fd, const char *want)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		pfail("receive \"%s\"", want);
	buf[n] = 0;
	if (strcmp(buf, want))
		fail("received \"%s\", wanted \"%s\"", buf, want);
}

/* Memory of what waits in the socket. */
static inline unsigned int queue_memory(int fd)
{
	unsigned int mem[16] = { 0 };
	socklen_t len = sizeof(mem);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len))
		pfail("SO_MEMINFO");
	return mem[0];
}

/* More waits there than @before. */
static inline void await_queued(int fd, unsigned int before)
{
	while (queue_memory(fd) <= before)
		usleep(1000);
}

static inline void expect_empty(int fd)
{
	char buf[16];

	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		fail("a queue is not empty");
}

static inline void expect_eof(int fd)
{
	char c;

	if (recv(fd, &c, 1, 0) != 0)
		fail("no end of file");
}

static inline int get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len))
		pfail("getsockopt %d/%d", level, name);
	return value;
}

static inline void set_int(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		pfail("setsockopt %d/%d = %d", level, name, value);
}

/* 127.0.0.1 or ::1. */
static inline socklen_t loopback(struct sockaddr_storage *a, int domain, int port)
{
	struct sockaddr_in6 *in6 = (void *)a;
	struct sockaddr_in *in = (void *)a;

	memset(a, 0, sizeof(*a));
	a->ss_family = domain;
	if (domain == AF_INET6) {
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons(port);
	return sizeof(*in);
}

/* Bind to the loopback address and a free port; the port. */
static inline int local_port(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		pfail("getsockname");
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static inline int xbind_loopback(int fd, int domain)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domain, 0);

	if (bind(fd, (struct sockaddr *)&a, len))
		pfail("bind");
	return local_port(fd);
}

static inline void xconnect_loopback(int fd, int domain, int port)
{
	struct sockaddr_storage a;
	socklen_t len = loopback(&a, domain, port);

	if (connect(fd, (struct sockaddr *)&a, len))
		pfail("connect to port %d", port);
}

struct tcp_pair {
	int listener, port, client, server;
};

/* A connection over the loopback device and what it was made by. */
static inline void xtcp_pair(struct tcp_pair *p, int domain)
{
	p->listener = xsocket(domain, SOCK_STREAM, 0);
	p->client = xsocket(domain, SOCK_STREAM, 0);
	p->port = xbind_loopback(p->listener, domain);
	xlisten(p->listener, 1);
	xconnect_loopback(p->client, domain, p->port);
	p->server = xaccept(p->listener);
}

/* Reads give @want, all @len bytes of it. */
static inline void expect_data(int fd, const char *want, size_t len)
{
	char buf[65536];

	for (size_t got = 0; got < len;) {
		size_t most = len - got < sizeof(buf) ? len - got : sizeof(buf);
		ssize_t n = recv(fd, buf, most, 0);

		if (n <= 0)
			pfail("after %zu bytes", got);
		if (memcmp(buf, want + got, n))
			fail("data differ after %zu bytes", got);
		got += n;
	}
}

static inline int tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		pfail("TCP_INFO");
	return info.tcpi_state;
}
