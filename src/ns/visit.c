/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "ns/kinds.h"

struct visit {
	int fd;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static void *visit_thread(void *p)
{
	struct visit *v = p;

	v->ret = setns(v->fd, 0) < 0 ? -errno : v->fn(v->arg);
	return NULL;
}

int ns_visit(int ns_fd, int (*fn)(void *arg), void *arg)
{
	struct visit v = { .fd = ns_fd, .fn = fn, .arg = arg };
	sigset_t all, old;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, visit_thread, &v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	pthread_join(thread, NULL);
	return v.ret;
}

int ns_visit_task(pid_t pid, enum ns_kind kind, int (*fn)(void *arg), void *arg)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, ns_names[kind]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : ns_visit(fd, fn, arg);
}
