/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/netns.h"

struct netns_visit {
	pthread_t thread;
	int netns_fd;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static void *visit_thread(void *p)
{
	struct netns_visit *v = p;

	v->ret = setns(v->netns_fd, CLONE_NEWNET) < 0 ? -errno : v->fn(v->arg);
	return NULL;
}

static int start(struct netns_visit *v, const pthread_attr_t *attr)
{
	sigset_t all, old;
	int ret;

	/* The visitor must not run the caller's signal handlers. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&v->thread, attr, visit_thread, v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int netns_call(int netns_fd, int (*fn)(void *arg), void *arg)
{
	struct netns_visit v = { .netns_fd = netns_fd, .fn = fn, .arg = arg };
	int ret = start(&v, NULL);

	if (ret < 0)
		return ret;
	pthread_join(v.thread, NULL);
	return v.ret;
}

struct netns_visit *netns_begin(int netns_fd, int (*fn)(void *arg), void *arg)
{
	struct netns_visit *v = calloc(1, sizeof(*v));
	pthread_attr_t attr;
	cpu_set_t cpus;
	int ret;

	if (!v)
		return NULL;
	*v = (struct netns_visit){ .netns_fd = netns_fd, .fn = fn, .arg = arg };
	/* The caller may be pinned to a CPU; the kernel leaves out those that are not allowed. */
	memset(&cpus, 0xff, sizeof(cpus));
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	ret = start(v, &attr);
	pthread_attr_destroy(&attr);
	if (ret < 0) {
		free(v);
		return NULL;
	}
	return v;
}

int netns_end(struct netns_visit *v)
{
	int ret;

	if (!v)
		return -ENOMEM;
	pthread_join(v->thread, NULL);
	ret = v->ret;
	free(v);
	return ret;
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
