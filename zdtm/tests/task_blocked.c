/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that block see no EINTR: each child sits in one and reports what it returned. */
#include "zdtm.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int efd;
static volatile uint32_t *word;

static int in_read(void)
{
	uint64_t v;

	return read(efd, &v, 8) == 8;
}

static int in_poll(void)
{
	struct pollfd p = { efd, POLLIN, 0 };

	return poll(&p, 1, -1) == 1;
}

static int in_ppoll(void)
{
	struct pollfd p = { efd, POLLIN, 0 };
	struct timespec t = { 1000, 0 };

	return ppoll(&p, 1, &t, NULL) == 1;
}

static int in_select(void)
{
	struct timeval t = { 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(efd, &set);
	return select(efd + 1, &set, NULL, NULL, &t) == 1;
}

static int in_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, efd, &e);
	return epoll_wait(ep, &e, 1, -1) == 1;
}

static int in_futex(void)
{
	while (!*word)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL) && errno != EAGAIN)
			return 0;
	return 1;
}

static int in_futex_timeout(void)
{
	struct timespec t = { 1000, 0 };

	while (!*word)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, &t) && errno != EAGAIN)
			return 0;
	return 1;
}

static int in_wait(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!in_read());
	return waitpid(pid, NULL, 0) == pid;
}

static int in_sleep(void)
{
	struct timespec t = { 4, 0 };

	return nanosleep(&t, NULL) == 0;
}

static int in_clock_sleep(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 4;
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0;
}

static int (*const calls[])(void) = { in_read, in_poll, in_ppoll, in_select, in_epoll, in_futex, in_futex_timeout,
				      in_wait, in_sleep, in_clock_sleep };
#define N (sizeof(calls) / sizeof(calls[0]))

int main(int argc, char **argv)
{
	pid_t pids[N];

	test_init(argc, argv);
	efd = eventfd(0, EFD_SEMAPHORE);
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < N; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(calls[i]() ? 0 : 1);
	}
	usleep(300000);
	test_daemon();
	test_waitsig();
	*word = 1;
	syscall(SYS_futex, word, FUTEX_WAKE, 100, NULL);
	if (eventfd_write(efd, 100))
		pfail("eventfd");
	for (size_t i = 0; i < N; i++) {
		int status;

		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			fail("call %zu of %zu ended with %#x", i, N, status);
	}
	pass();
}
