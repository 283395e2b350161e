/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads for bench/run.
 *
 *	load memory MIB		hold MIB of memory, no two pages alike; print the pid
 *	load tasks N		N processes besides itself
 *	load fds N		N open eventfds and files
 *	load write FILE MIB	write and fsync it from warm memory; print milliseconds
 *	load read FILE		read it into memory that is new to the process; print milliseconds
 *	load sum FILE		the same into one small buffer
 *
 * Holders are daemons that wait for ever.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1UL << 20)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static uint64_t *new_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint64_t *full_memory(size_t len)
{
	uint64_t *p = new_memory(len), x = 88172645463325252ULL;

	for (size_t i = 0; i < len / 8; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		p[i] = x;
	}
	return p;
}

static void hold_tasks(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		while (pid == 0)
			pause();
	}
}

static void hold_fds(int n)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	for (int i = 0; i < n; i++)
		if ((i % 2 ? eventfd(i, 0) : open("/etc/passwd", O_RDONLY)) < 0)
			die("open");
}

static void hold(const char *what, int n)
{
	int ready[2], null;
	char byte;
	pid_t pid;

	close_range(3, ~0U, 0); /* what the caller left open is not ours to hold */
	null = open("/dev/null", O_RDWR);
	if (null < 0 || pipe(ready) < 0 || (pid = fork()) < 0)
		die("start");
	if (pid) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			exit(1);
		printf("%d\n", pid);
		return;
	}
	setsid();
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (strcmp(what, "memory") == 0)
		full_memory((size_t)n << 20);
	else if (strcmp(what, "tasks") == 0)
		hold_tasks(n);
	else
		hold_fds(n);
	if (write(ready[1], "", 1) != 1)
		exit(1);
	close(null);
	close(ready[0]);
	close(ready[1]);
	for (;;)
		pause();
}

static void plain_write(const char *file, size_t len)
{
	char *p = (char *)full_memory(len);
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	double begin = now_ms();

	if (fd < 0)
		die(file);
	for (size_t at = 0; at < len; at += CHUNK)
		if (write(fd, p + at, CHUNK) != (ssize_t)CHUNK)
			die(file);
	if (fsync(fd) < 0)
		die(file);
	printf("%.1f\n", now_ms() - begin);
}

static void plain_read(const char *file, int fresh)
{
	int fd = open(file, O_RDONLY);
	struct stat st;
	char *p;
	double begin;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(file);
	p = (char *)(fresh ? new_memory((size_t)st.st_size) : full_memory(CHUNK));
	begin = now_ms();
	for (off_t at = 0; at < st.st_size; at += CHUNK)
		if (read(fd, fresh ? p + at : p, CHUNK) < 0)
			die(file);
	printf("%.1f\n", now_ms() - begin);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "write") == 0)
		plain_write(argv[2], (size_t)atoi(argv[3]) << 20);
	else if (argc == 3 && strcmp(argv[1], "read") == 0)
		plain_read(argv[2], 1);
	else if (argc == 3 && strcmp(argv[1], "sum") == 0)
		plain_read(argv[2], 0);
	else if (argc == 3)
		hold(argv[1], atoi(argv[2]));
	else
		die("usage: load memory|tasks|fds N | write FILE MIB | read FILE | sum FILE");
	return 0;
}
