/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ctcr console`: a terminal of a restored container, lent by its keeper, on ours. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/cmd.h"
#include "file/keeper.h"

#define ESCAPE 1 /* Ctrl-a */
#define RETRY_MS 100

struct console {
	int master, keeper, winch;
	bool escaped; /* the last key was Ctrl-a */
};

/* "1" and "tty1" are the same; none is the console. */
static int tty_name(const char *tty, char *ret, size_t size)
{
	uint32_t n;

	if (!tty)
		tty = "console";
	if (strlen(tty) + 4 >= size)
		return -ENAMETOOLONG;
	snprintf(ret, size, parse_u32(tty, 10, &n) >= 0 ? "tty%s" : "%s", tty);
	return 0;
}

static int connect_keeper(const char *ct)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (fd < 0 || keeper_address(ct, &addr) < 0)
		return log_errno(fd < 0 ? errno : ENAMETOOLONG, "container %s", ct);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return take_fd(&fd);
	if (errno != ENOENT && errno != ECONNREFUSED)
		return log_errno(errno, "%s", addr.sun_path);
	log_error("container %s: not restored by ctcr, or without terminals; try lxc-console -n %s", ct, ct);
	return -ENOENT;
}

/* Ask for the terminal @name: its master. */
static int borrow(int keeper, const char *name)
{
	char text[256];
	ssize_t n;
	int master, err;

	if (send(keeper, name, strlen(name), MSG_NOSIGNAL) < 0)
		return log_errno(errno, "the keeper");
	n = recv(keeper, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return log_errno(n < 0 ? errno : EPIPE, "the keeper");
	text[n] = 0;
	if (!streq(text, "ok")) {
		log_error("%s: %s", name, text);
		return -EBUSY;
	}
	err = recv_fds(keeper, &master, 1);
	return err < 0 ? log_errno(err, "the keeper") : master;
}

static void copy_size(int master)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(master, TIOCSWINSZ, &size);
}

/* All of @buf into the terminal, which may be slow. */
static int feed(int master, const char *buf, size_t len)
{
	while (len) {
		struct pollfd p = { .fd = master, .events = POLLOUT };
		ssize_t n = write(master, buf, len);

		if (n < 0 && errno == EAGAIN && poll(&p, 1, 1000) > 0)
			continue;
		if (n < 0 && errno != EINTR)
			return -errno;
		buf += MAX(n, (ssize_t)0);
		len -= MAX(n, (ssize_t)0);
	}
	return 0;
}

/* What was typed goes in, but for Ctrl-a q (leave: 1) and Ctrl-a Ctrl-a (one Ctrl-a). */
static int from_user(struct console *c)
{
	char in[1024], out[1024];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	size_t len = 0;

	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : 1;
	for (ssize_t i = 0; i < n; i++) {
		if (c->escaped && in[i] == 'q')
			return 1;
		if (in[i] == ESCAPE && !c->escaped) {
			c->escaped = true;
			continue;
		}
		c->escaped = false;
		out[len++] = in[i];
	}
	return feed(c->master, out, len) < 0 ? 1 : 0;
}

/* The terminal's output goes out; 1 when it cannot. */
static int from_tty(struct console *c)
{
	char buf[4096];
	ssize_t n = read(c->master, buf, sizeof(buf));

	if (n > 0)
		return write_all(STDOUT_FILENO, buf, n) < 0;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		poll(NULL, 0, RETRY_MS); /* hung up: the keeper opens it again */
	return 0;
}

static int relay(struct console *c)
{
	struct signalfd_siginfo si;

	for (;;) {
		struct pollfd p[4] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = c->master, .events = POLLIN },
			{ .fd = c->keeper, .events = POLLIN },
			{ .fd = c->winch, .events = POLLIN },
		};

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			return log_errno(errno, "poll");
		if (p[3].revents && read(c->winch, &si, sizeof(si)) > 0)
			copy_size(c->master);
		if (p[1].revents && from_tty(c))
			return 0;
		if (p[0].revents && from_user(c))
			return 0;
		if (p[2].revents && !(p[1].revents & POLLIN))
			return 0;
	}
}

static int raw_relay(struct console *c)
{
	struct termios saved, raw;
	bool tty = tcgetattr(STDIN_FILENO, &saved) == 0;
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	c->winch = signalfd(-1, &set, SFD_CLOEXEC);
	if (tty) {
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
		copy_size(c->master);
	}
	err = relay(c);
	if (tty)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	close_fd(&c->winch);
	return err;
}

int cmd_console(struct options *o, const struct option_rest *rest)
{
	_cleanup_close_ int keeper = -1, master = -1;
	struct console c = { .winch = -1 };
	char name[KEEPER_NAME_MAX];
	int err;

	if (!o->ct)
		return usage_error("whose console? --ct NAME");
	if (check_name(o->ct) < 0 || check_root())
		return 1;
	if (tty_name(o->tty, name, sizeof(name)) < 0)
		return usage_error("-t %s: no such terminal", o->tty);
	keeper = connect_keeper(o->ct);
	if (keeper < 0)
		return 1;
	master = borrow(keeper, name);
	if (master < 0)
		return 1;
	c.keeper = keeper;
	c.master = master;
	fprintf(stderr, "Connected to %s of %s; Ctrl-a q leaves, Ctrl-a Ctrl-a types Ctrl-a\n", name, o->ct);
	err = raw_relay(&c);
	fputs("\n", stderr);
	return err < 0;
}
