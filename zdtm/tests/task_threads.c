/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads keep tid, name, signal mask, thread-local storage and the futexes they wait on. */
#include "zdtm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N 6

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int up, go;
static __thread long tls;

static void *thread(void *arg)
{
	long id = (long)arg;
	pid_t tid = syscall(SYS_gettid);
	char name[16], want[16];
	sigset_t set, now;

	snprintf(want, sizeof(want), "worker-%ld", id);
	prctl(PR_SET_NAME, want);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + (int)id);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	tls = id * 1000003;
	pthread_mutex_lock(&lock);
	up++;
	while (!go)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	if (syscall(SYS_gettid) != tid)
		fail("thread %ld: tid was %d, is %ld", id, tid, syscall(SYS_gettid));
	prctl(PR_GET_NAME, name);
	if (strcmp(name, want))
		fail("thread %ld: name is %s", id, name);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	for (int sig = 1; sig < 65; sig++)
		if (sig != 32 && sig != 33 && sigismember(&set, sig) != sigismember(&now, sig))
			fail("thread %ld: signal %d changed in the mask", id, sig);
	if (tls != id * 1000003)
		fail("thread %ld: thread-local value %ld", id, tls);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[N];
	sigset_t block;

	test_init(argc, argv);
	/* SIGTERM is for the main thread. */
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	for (long i = 0; i < N; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)i))
			fail("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	for (;;) {
		pthread_mutex_lock(&lock);
		int n = up;
		pthread_mutex_unlock(&lock);
		if (n == N)
			break;
		usleep(1000);
	}
	test_daemon();
	test_waitsig();
	pthread_mutex_lock(&lock);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < N; i++) {
		void *ret;

		if (pthread_join(t[i], &ret) || ret != (void *)i)
			fail("thread %ld does not end as it should", i);
	}
	pass();
}
