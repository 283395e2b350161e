/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's end of the network tests, linked statically so that it runs in any root file system.
 *
 *	netpeer serve PORT		TCP (IPv4 and IPv6) and UDP (echo) server
 *	netpeer hold PORT		the same, but it accepts nobody before there is a file /go
 *	netpeer connect HOST PORT [N]	TCP clients that echo
 *
 * The first byte a client sends says what its connection is: 'e' echo until the end; 'c' the client
 * closes its direction and gets 200 numbered lines, one every 20 ms; 's' the server closes its own
 * direction at once and writes the sum of all it gets until the end to /half.sum.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINES 200
#define ROOM 65536

struct conn {
	int fd;
	char mode; /* 0: not known yet; 'l' listener, 'u' datagrams */
	int eof;
	int lines;
	uint64_t sum;
	size_t len, off;
	char *buf;
	struct conn *next;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct conn *watch(int ep, int fd, char mode)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (!c)
		die("memory");
	c->fd = fd;
	c->mode = mode;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
	return c;
}

static void want(int ep, struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void end(struct conn *c)
{
	close(c->fd);
	free(c->buf);
	c->buf = NULL;
	c->fd = -1; /* the few bytes stay: a list may hold it */
}

static void write_sum(const struct conn *c)
{
	FILE *f = fopen("/half.new", "w");

	if (!f)
		die("/half.new");
	fprintf(f, "%llu\n", (unsigned long long)c->sum);
	fclose(f);
	rename("/half.new", "/half.sum");
}

/* What was read goes back; while it does not, nothing more is read. */
static void flush_echo(int ep, struct conn *c)
{
	while (c->off < c->len) {
		ssize_t n = send(c->fd, c->buf + c->off, c->len - c->off, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			want(ep, c, EPOLLOUT);
			return;
		}
		if (n < 0) {
			end(c);
			return;
		}
		c->off += n;
	}
	free(c->buf);
	c->buf = NULL;
	c->len = c->off = 0;
	if (c->eof)
		end(c);
	else
		want(ep, c, EPOLLIN);
}

static void take(int ep, struct conn *c, char *data, size_t len)
{
	if (!c->mode && len) {
		c->mode = *data++;
		len--;
		if (c->mode == 's')
			shutdown(c->fd, SHUT_WR);
	}
	if (c->mode == 's') {
		for (size_t i = 0; i < len; i++)
			c->sum = c->sum * 31 + (unsigned char)data[i];
		return;
	}
	if (c->mode != 'e' || !len)
		return;
	c->buf = malloc(len);
	if (!c->buf)
		die("memory");
	memcpy(c->buf, data, len);
	c->len = len;
	c->off = 0;
	flush_echo(ep, c);
}

static void at_eof(int ep, struct conn *c, struct conn **talkers)
{
	c->eof = 1;
	if (c->mode == 'c') {
		want(ep, c, 0);
		c->next = *talkers;
		*talkers = c;
		return;
	}
	if (c->mode == 's')
		write_sum(c);
	end(c);
}

static void readable(int ep, struct conn *c, struct conn **talkers)
{
	static char buf[ROOM];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		take(ep, c, buf, n);
	else if (n == 0)
		at_eof(ep, c, talkers);
	else if (errno != EAGAIN)
		end(c);
}

static void datagram(int fd)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char buf[2048];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n > 0)
		sendto(fd, buf, n, 0, (struct sockaddr *)&from, len);
}

static void accept_all(int ep, int fd)
{
	int c;

	while ((c = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		watch(ep, c, 0);
}

static void talk(struct conn **talkers)
{
	for (struct conn **p = talkers; *p;) {
		struct conn *c = *p;
		char line[32];
		int n = snprintf(line, sizeof(line), "%d\n", c->lines);

		if (c->fd >= 0 && send(c->fd, line, n, MSG_NOSIGNAL) == n && ++c->lines < LINES) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		if (c->fd >= 0)
			end(c);
	}
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void loop(int ep)
{
	struct epoll_event ev[64];
	struct conn *talkers = NULL;
	long long talked = 0;

	for (;;) {
		int n = epoll_wait(ep, ev, 64, talkers ? 10 : -1);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (c->mode == 'l')
				accept_all(ep, c->fd);
			else if (c->mode == 'u')
				datagram(c->fd);
			else if (c->fd >= 0 && c->len)
				flush_echo(ep, c);
			else if (c->fd >= 0 && (ev[i].events & (EPOLLIN | EPOLLERR)))
				readable(ep, c, &talkers);
		}
		/* Busy connections of others must not keep the clock from them. */
		if (talkers && now_ms() - talked >= 20) {
			talked = now_ms();
			talk(&talkers);
		}
	}
}

static void serve(int ep, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, tcp = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    udp = socket(AF_INET6, SOCK_DGRAM, 0);

	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(tcp, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    bind(udp, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(tcp, 4096) < 0)
		die("listen");
	watch(ep, tcp, 'l');
	watch(ep, udp, 'u');
}

static void connect_to(int ep, const char *host, int port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool v6 = inet_pton(AF_INET6, host, &a6.sin6_addr) == 1;
	int fd = -1;

	inet_pton(AF_INET, host, &a.sin_addr);
	for (;;) {
		fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
		if (v6 ? !connect(fd, (struct sockaddr *)&a6, sizeof(a6))
		       : !connect(fd, (struct sockaddr *)&a, sizeof(a)))
			break;
		close(fd);
		usleep(100000);
	}
	watch(ep, fd, 'e');
}

int main(int argc, char **argv)
{
	struct rlimit lim = { 0 };
	int ep = epoll_create1(0);

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && (!strcmp(argv[1], "serve") || !strcmp(argv[1], "hold")))
		serve(ep, atoi(argv[2]));
	else if ((argc == 4 || argc == 5) && !strcmp(argv[1], "connect"))
		for (int i = 0; i < (argc == 5 ? atoi(argv[4]) : 1); i++)
			connect_to(ep, argv[2], atoi(argv[3]));
	else
		return 2;
	while (!strcmp(argv[1], "hold") && access("/go", F_OK))
		usleep(10000);
	loop(ep);
}
