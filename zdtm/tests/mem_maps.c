/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/maps, and the VmFlags of every area, read the same after a restore: addresses,
 * protections, files, merged and split areas, advice and locks. Only inode numbers of anonymous
 * shared memory may differ. The same in a child that has changed what it inherited.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define MAX (256 << 10)

static char before[MAX], after[MAX], line_b[512], line_a[512];

static char *area(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * P, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		pfail("mmap");
	return p;
}

static void advise(char *p, size_t pages, int advice)
{
	if (madvise(p, pages * P, advice) < 0)
		pfail("madvise %d", advice);
}

static void make_zoo(void)
{
	char *p;
	int fd;

	p = area(16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(p, 1, 16 * P);
	mprotect(p + 2 * P, P, PROT_READ);
	mprotect(p + 4 * P, 2 * P, PROT_NONE);
	mprotect(p + 9 * P, P, PROT_READ | PROT_EXEC);
	munmap(p + 12 * P, P);
	area(8, PROT_NONE, MAP_PRIVATE);
	area(8, PROT_READ, MAP_PRIVATE | MAP_NORESERVE);
	advise(area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE), 4, MADV_DONTFORK);
	advise(area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE), 4, MADV_DONTDUMP);
	advise(area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE), 4, 18 /* MADV_WIPEONFORK */);
	advise(area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE), 4, MADV_SEQUENTIAL);
	advise(area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE), 4, MADV_RANDOM);
	p = area(1024, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	madvise(p, 512 * P, MADV_HUGEPAGE);
	madvise(p + 600 * P, 100 * P, MADV_NOHUGEPAGE);
	memset(p, 2, 1024 * P);
	p = area(8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
	p[0] = 1;
	p = area(16, PROT_READ | PROT_WRITE, MAP_SHARED);
	p[5 * P] = 1;
	mprotect(p + 8 * P, P, PROT_READ);
	munmap(p + 10 * P, P);
	fd = open("/proc/self/exe", O_RDONLY);
	if (fd < 0 || mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ||
	    mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, P) == MAP_FAILED)
		pfail("map of a file");
	close(fd);
}

static char *put(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

/* The lines of smaps that matter, into @to. */
static void snapshot(char *to, char *end)
{
	static char text[4 << 20];
	int fd = open("/proc/self/smaps", O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	for (char *line = text, *next; (next = strchr(line, '\n')); line = next + 1) {
		size_t size = next + 1 - line;
		char *ino;

		if ((size_t)(end - to) < size + 1)
			fail("too many areas");
		*next = 0;
		if (strncmp(line, "VmFlags:", 8) != 0 && (line[0] >= 'A' && line[0] <= 'Z'))
			continue;
		ino = strstr(line, "/dev/zero (deleted)");
		*next = '\n';
		if (!ino) {
			to = put(to, line, size);
			continue;
		}
		to = put(to, line, strchr(strchr(line, ' ') + 1, ' ') - line);
		to = put(to, ino - 1, next + 1 - (ino - 1));
	}
	*to = 0;
}

static const char *take_line(const char *text, char *line)
{
	size_t n = strcspn(text, "\n");

	snprintf(line, 512, "%.*s", (int)n, text);
	return text[n] ? text + n + 1 : text + n;
}

static void take_before(void)
{
	snapshot(before, before + MAX); /* faults in what the second one needs */
	snapshot(before, before + MAX);
}

static void compare(const char *who)
{
	const char *a = after, *b = before;

	snapshot(after, after + MAX);
	while (*a || *b) {
		a = take_line(a, line_a);
		b = take_line(b, line_b);
		if (strcmp(line_a, line_b) != 0) {
			test_msg("%s\nBEFORE:\n%sAFTER:\n%s", who, before, after);
			fail("%s: was: %s; is: %s", who, line_b, line_a);
		}
	}
}

/* What was inherited split, joined, grown, made smaller; neighbours added. */
static void change_zoo(char *inherited)
{
	char *p;

	memset(sbrk(40 * P), 5, 40 * P);
	mprotect(inherited + 10 * P, 5 * P, PROT_READ);
	mprotect(inherited + 20 * P, 5 * P, PROT_NONE);
	munmap(inherited + 30 * P, 3 * P);
	mmap(inherited + 31 * P, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	inherited[31 * P] = 1;
	madvise(inherited + 40 * P, P, MADV_DONTDUMP);
	mprotect(inherited + 50 * P, 2 * P, PROT_READ | PROT_WRITE); /* was protected by the parent */
	p = mmap(inherited - 8 * P, 8 * P, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != MAP_FAILED)
		memset(p, 1, 3 * P);
	mremap(inherited + 60 * P, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, inherited + 100 * P);
	area(20, PROT_READ | PROT_WRITE, MAP_PRIVATE)[3 * P] = 1;
}

int main(int argc, char **argv)
{
	int go[2], ready[2], status;
	char c, *inherited;
	pid_t pid;

	test_init(argc, argv);
	make_zoo();
	inherited = area(128, PROT_READ | PROT_WRITE, MAP_PRIVATE) + 16 * P;
	munmap(inherited - 16 * P, 16 * P);
	memset(inherited, 1, 80 * P);
	mprotect(inherited + 50 * P, 2 * P, PROT_READ);
	if (pipe(go) || pipe(ready))
		pfail("pipe");
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (!pid) {
		change_zoo(inherited);
		take_before();
		if (write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
			fail("child: pipe");
		compare("child");
		_exit(0);
	}
	if (read(ready[0], &c, 1) != 1)
		pfail("pipe");
	take_before();
	test_daemon();
	test_waitsig();
	compare("parent");
	if (write(go[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		fail("child: status %x", status);
	pass();
}
