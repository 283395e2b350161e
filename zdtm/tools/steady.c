/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steady FILE: threads that check themselves without end: registers, signals, a pipe, sleeps, memory.
 * FILE holds the number of rounds all of them have made; the first thing that is wrong goes to FILE.bad,
 * and ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_WORK 5

static char bad_path[256];
static volatile unsigned long rounds[N_WORK];
static volatile unsigned long handled;
static int ends[2];

static void bad(const char *what, long n)
{
	int fd = open(bad_path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd >= 0)
		dprintf(fd, "%s %ld %s\n", what, n, strerror(errno));
	_exit(1);
}

/* Patterns in registers for a while, by loops of no calls. */
static void *registers(void *arg)
{
	for (;; rounds[0]++) {
		uint64_t a = 0x1111, b = 0x2222, c = 0x3333, n = 300000;

		__asm__ volatile("movq %1, %%xmm3\n\t"
				 "movq %2, %%xmm11\n\t"
				 "1: decq %3\n\t"
				 "jnz 1b\n\t"
				 "movq %%xmm3, %0\n\t"
				 "movq %%xmm11, %1\n\t"
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(n)
				 :
				 : "xmm3", "xmm11", "cc");
		if (a != 0x2222 || b != 0x3333 || c != 0x3333 || n)
			bad("registers", (long)a);
	}
	return NULL;
}

static void on_signal(int sig)
{
	handled++;
}

static void *signals(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	for (;; rounds[1]++) {
		unsigned long before = handled;

		if (pthread_kill(pthread_self(), SIGUSR1) || handled != before + 1)
			bad("signal", (long)(handled - before));
		usleep(200);
	}
	return NULL;
}

static void *writer(void *arg)
{
	for (uint32_t i = 0;; i++, rounds[2]++)
		if (write(ends[1], &i, sizeof(i)) != sizeof(i))
			bad("write", i);
	return NULL;
}

static void *reader(void *arg)
{
	uint32_t v;

	for (uint32_t i = 0;; i++, rounds[3]++) {
		if (read(ends[0], &v, sizeof(v)) != sizeof(v) || v != i)
			bad("read", i);
		if (i % 64 == 0)
			usleep(500);
	}
	return NULL;
}

/* A sleep ends no sooner than it should, and never with an error but EINTR. */
static void *sleeper(void *arg)
{
	const struct timespec nap = { 0, 3000000 };

	for (;; rounds[4]++)
		if (nanosleep(&nap, NULL) && errno != EINTR)
			bad("nanosleep", errno);
	return NULL;
}

static void child(void)
{
	char page[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned char i = 0;; i++) {
		memset(page, i, sizeof(page));
		usleep(1000);
		for (size_t k = 0; k < sizeof(page); k++)
			if (((volatile char *)page)[k] != (char)i)
				bad("memory", (long)k);
	}
}

static void report(const char *path)
{
	char tmp[260];
	unsigned long least = rounds[0];
	FILE *f;

	for (int i = 1; i < N_WORK; i++)
		least = rounds[i] < least ? rounds[i] : least;
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	if (!f || fprintf(f, "%lu\n", least) < 0 || fclose(f) || rename(tmp, path))
		bad("report", 0);
}

int main(int argc, char **argv)
{
	void *(*const work[N_WORK])(void *) = { registers, signals, writer, reader, sleeper };
	sigset_t set;
	pthread_t t;
	pid_t pid;

	if (argc != 2)
		return 2;
	snprintf(bad_path, sizeof(bad_path), "%s.bad", argv[1]);
	setsid();
	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (pipe(ends))
		bad("pipe", 0);
	pid = fork();
	if (pid == 0)
		child();
	for (int i = 0; i < N_WORK; i++)
		if (pthread_create(&t, NULL, work[i], NULL))
			bad("thread", i);
	for (;;) {
		report(argv[1]);
		usleep(5000);
		if (waitpid(pid, NULL, WNOHANG))
			bad("child", 0);
	}
}
