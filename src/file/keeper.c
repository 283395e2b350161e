/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper process. It keeps a slave of each pty open besides the master, as LXC does, so that a
 * getty that comes and goes is no hangup; after a vhangup(2) in the container it opens a new one.
 * What the container writes while nobody is attached is thrown away.
 */
#include "file/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/outlive.h"
#include "base/syscalls.h"

#define RETRY_MS 200

struct kept {
	char name[KEEPER_NAME_MAX];
	int master, slave;
	int client; /* the connection that has it; -1: we drain it */
	bool hung; /* no slave is open and none could be: look again later */
};

struct keeper {
	struct kept ttys[KEEPER_TTYS];
	size_t n;
	struct sockaddr_un addr;
	struct stat st; /* of the socket's file */
	int listener, init; /* pidfd of the container's init */
};

int keeper_address(const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), KEEPER_DIR "/%s/console.sock", name);
	return n < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

int keeper_add(struct restore *r, int master_fd, const char *tty_name)
{
	_cleanup_close_ int fd = master_fd;
	struct keeper *k = r->keeper;

	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return log_oom();
		k->listener = k->init = -1;
		r->keeper = k;
	}
	if (k->n == KEEPER_TTYS || strlen(tty_name) >= KEEPER_NAME_MAX)
		return log_errno(-E2BIG, "terminal %s: one more to keep", tty_name);
	k->ttys[k->n] = (struct kept){ .master = take_fd(&fd), .slave = -1, .client = -1 };
	memcpy(k->ttys[k->n].name, tty_name, strlen(tty_name));
	k->n++;
	return 0;
}

void keeper_done(struct restore *r)
{
	struct keeper *k = r->keeper;

	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		close_fd(&k->ttys[i].master);
	close_fd(&k->listener);
	close_fd(&k->init);
	free(k);
	r->keeper = NULL;
}

/* The keeper's process. */

static void open_slave(struct kept *t)
{
	struct pollfd p = { .fd = t->master };

	close_fd(&t->slave);
	t->slave = ioctl(t->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	t->hung = t->slave < 0 || (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP));
}

static void drain(struct kept *t)
{
	char buf[4096];
	ssize_t n = read(t->master, buf, sizeof(buf));

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		open_slave(t);
}

static void answer(int client, const char *text)
{
	if (send(client, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

static struct kept *find_tty(struct keeper *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (streq(k->ttys[i].name, name))
			return &k->ttys[i];
	return NULL;
}

/* One request is read when the connection is accepted: a client that sends none is dropped. */
static void serve(struct keeper *k)
{
	_cleanup_close_ int client = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = { .tv_sec = 1 };
	char name[KEEPER_NAME_MAX + 1];
	struct kept *t;
	ssize_t n;

	if (client < 0)
		return;
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = recv(client, name, sizeof(name) - 1, 0);
	if (n <= 0)
		return;
	name[n] = 0;
	t = find_tty(k, name);
	if (!t) {
		answer(client, "this container has no such terminal");
	} else if (t->client >= 0) {
		answer(client, "somebody else is attached to it");
	} else {
		answer(client, "ok");
		if (send_fds(client, &t->master, 1) >= 0)
			t->client = take_fd(&client);
	}
}

static size_t fill_polls(const struct keeper *k, struct pollfd *p, bool *ret_retry)
{
	p[0] = (struct pollfd){ .fd = k->init, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = k->listener, .events = POLLIN };
	*ret_retry = false;
	for (size_t i = 0; i < k->n; i++) {
		const struct kept *t = &k->ttys[i];

		*ret_retry |= t->hung;
		p[2 + 2 * i] = (struct pollfd){ .fd = t->hung ? -1 : t->master,
						.events = t->client < 0 ? POLLIN : 0 };
		p[3 + 2 * i] = (struct pollfd){ .fd = t->client, .events = POLLIN };
	}
	return 2 + 2 * k->n;
}

static void keep(struct kept *t, short master, short client)
{
	if (t->hung || ((master & POLLHUP) && !(master & POLLIN)))
		open_slave(t);
	else if ((master & POLLIN) && t->client < 0)
		drain(t);
	if (client)
		close_fd(&t->client);
}

static void keeper_loop(struct keeper *k)
{
	struct pollfd p[2 + 2 * KEEPER_TTYS];
	bool retry;

	for (;;) {
		size_t n = fill_polls(k, p, &retry);

		if (poll(p, n, retry ? RETRY_MS : -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents)
			return;
		for (size_t i = 0; i < k->n; i++)
			keep(&k->ttys[i], p[2 + 2 * i].revents, p[3 + 2 * i].revents);
		if (p[1].revents)
			serve(k);
	}
}

/* A later restore of the same container may have put its own socket there. */
static void remove_socket(const struct keeper *k)
{
	char dir[sizeof(k->addr.sun_path)];
	struct stat st;

	if (stat(k->addr.sun_path, &st) < 0 || st.st_ino != k->st.st_ino || st.st_dev != k->st.st_dev)
		return;
	unlink(k->addr.sun_path);
	memcpy(dir, k->addr.sun_path, sizeof(dir));
	*strrchr(dir, '/') = 0;
	rmdir(dir);
	rmdir(KEEPER_DIR);
}

static void keeper_main(void *arg)
{
	struct keeper *k = arg;

	for (size_t i = 0; i < k->n; i++) {
		fcntl(k->ttys[i].master, F_SETFL, O_RDWR | O_NONBLOCK);
		open_slave(&k->ttys[i]);
	}
	keeper_loop(k);
	remove_socket(k);
}

/* Starting it. */

static int listen_at(struct keeper *k, const char *name)
{
	_cleanup_free_ char *dir = xasprintf(KEEPER_DIR "/%s", name);
	int err = keeper_address(name, &k->addr);

	if (err < 0 || !dir)
		return err < 0 ? err : -ENOMEM;
	if ((mkdir(KEEPER_DIR, 0700) < 0 && errno != EEXIST) || (mkdir(dir, 0700) < 0 && errno != EEXIST))
		return -errno;
	k->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (k->listener < 0 || (unlink(k->addr.sun_path) < 0 && errno != ENOENT))
		return -errno;
	if (bind(k->listener, (struct sockaddr *)&k->addr, sizeof(k->addr)) < 0 ||
	    chmod(k->addr.sun_path, 0600) < 0 || stat(k->addr.sun_path, &k->st) < 0 ||
	    listen(k->listener, 8) < 0)
		return -errno;
	return 0;
}

static int spawn(struct keeper *k)
{
	int fds[KEEPER_TTYS + 2];
	size_t n = 0;

	fds[n++] = k->listener;
	fds[n++] = k->init;
	for (size_t i = 0; i < k->n; i++)
		fds[n++] = k->ttys[i].master;
	return outlive("ctcr-keeper", keeper_main, k, fds, n);
}

int keeper_start(struct restore *r, pid_t init_pid)
{
	_cleanup_free_ char *number = xasprintf("pid-%d", init_pid);
	const char *name = r->opt->ct ?: number;
	struct keeper *k = r->keeper;
	int err;

	if (!k || !k->n)
		return 0;
	if (!name)
		return log_oom();
	k->init = sys_pidfd_open(init_pid, 0);
	err = k->init < 0 ? -errno : listen_at(k, name);
	if (err >= 0)
		err = spawn(k);
	if (err < 0)
		return log_errno(err, "the keeper of the terminals of %s (" KEEPER_DIR "/%s)", name, name);
	keeper_done(r);
	return 0;
}
