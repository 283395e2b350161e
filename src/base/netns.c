/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/netns.h"

struct visit {
	int netns_fd;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static void *visit_thread(void *p)
{
	struct visit *v = p;

	v->ret = setns(v->netns_fd, CLONE_NEWNET) < 0 ? -errno : v->fn(v->arg);
	return NULL;
}

int netns_call(int netns_fd, int (*fn)(void *arg), void *arg)
{
	struct visit v = { .netns_fd = netns_fd, .fn = fn, .arg = arg };
	sigset_t all, old;
	pthread_t thread;
	int ret;

	/* The visitor must not run the caller's signal handlers. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&thread, NULL, visit_thread, &v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret < 0)
		return ret;
	pthread_join(thread, NULL);
	return v.ret;
}

struct socket_args {
	int domain, type, protocol;
};

static int make_socket(void *p)
{
	const struct socket_args *a = p;

	return RET_NERRNO(socket(a->domain, a->type | SOCK_CLOEXEC, a->protocol));
}

int netns_socket(int netns_fd, int domain, int type, int protocol)
{
	struct socket_args a = { domain, type, protocol };
	int fd = netns_call(netns_fd, make_socket, &a);

	/* Here, not in the thread: growing a descriptor table that two threads share waits for RCU. */
	return fd < 0 ? fd : fd_high(fd);
}
