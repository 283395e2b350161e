/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that a parent and its children share copy-on-write are shared after a restore too, those that
 * one has changed are not: the "exclusively mapped" bit of /proc/PID/pagemap (bit 56) tells.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define PAGES 1024
#define EXCLUSIVE (1ULL << 56)
#define PRESENT (1ULL << 63)

static uint64_t was[PAGES], is[PAGES];

static void read_pagemap(const char *mem, uint64_t *to)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, to, PAGES * 8, (uintptr_t)mem / P * 8) != PAGES * 8)
		pfail("pagemap");
	close(fd);
	for (int i = 0; i < PAGES; i++)
		to[i] &= EXCLUSIVE | PRESENT;
}

static void check(const char *who, const char *mem)
{
	read_pagemap(mem, is);
	for (int i = 0; i < PAGES; i++)
		if (was[i] != is[i])
			fail("%s: page %d was %s%s, is %s%s", who, i, was[i] & PRESENT ? "present" : "absent",
			     was[i] & EXCLUSIVE ? " exclusive" : "", is[i] & PRESENT ? "present" : "absent",
			     is[i] & EXCLUSIVE ? " exclusive" : "");
}

static void check_contents(const char *who, const char *mem, unsigned int seed, int from, int to)
{
	long at = pattern_check(mem + from * P, (to - from) * P, seed);

	if (at >= 0)
		fail("%s: contents differ in page %ld", who, from + at / (long)P);
}

/* The child: changes some pages, drops others, has one protected. */
static void child(char *mem, int ready, int go)
{
	char c;

	pattern_fill(mem + 100 * P, 50 * P, 7);
	madvise(mem + 300 * P, 20 * P, MADV_DONTNEED);
	mprotect(mem + 900 * P, 10 * P, PROT_READ);
	if (write(ready, "r", 1) != 1 || read(go, &c, 1) != 1) /* the parent has forked all and written */
		fail("child: pipe");
	read_pagemap(mem, was);
	if (write(ready, "r", 1) != 1 || read(go, &c, 1) != 1) /* restored */
		fail("child: pipe");
	check("child", mem);
	check_contents("child", mem, 1, 0, 100);
	check_contents("child", mem + 100 * P, 7, 0, 50);
	for (unsigned long i = 300 * P; i < 320 * P; i++)
		if (mem[i])
			fail("child: dropped page has contents");
	_exit(0);
}

int main(int argc, char **argv)
{
	int to[2], from[2], status;
	char c, *mem;
	pid_t pid;

	test_init(argc, argv);
	mem = mmap(NULL, PAGES * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || pipe(to) || pipe(from))
		pfail("setup");
	madvise(mem, PAGES * P, MADV_NOHUGEPAGE);
	pattern_fill(mem, PAGES * P, 1);
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (!pid)
		child(mem, from[1], to[0]);
	if (read(from[0], &c, 1) != 1)
		pfail("pipe");
	memset(mem + 500 * P, 9, 30 * P);
	read_pagemap(mem, was);
	if (was[0] != PRESENT || was[500] != (PRESENT | EXCLUSIVE))
		fail("pagemap does not tell what is shared");
	if (write(to[1], "g", 1) != 1 || read(from[0], &c, 1) != 1)
		pfail("pipe");
	test_daemon();
	test_waitsig();
	check("parent", mem);
	check_contents("parent", mem, 1, 0, 500);
	for (unsigned long i = 500 * P; i < 530 * P; i++)
		if (mem[i] != 9)
			fail("parent: changed page has other contents");
	if (write(to[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		fail("child: status %x", status);
	pass();
}
