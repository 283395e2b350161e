/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/maps, and the VmFlags of every area, read the same after a restore: addresses,
 * protections, files, merged and split areas, advice and locks. Only inode numbers of anonymous
 * shared memory may differ.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096UL
#define MAX (256 << 10)

static char before[MAX], after[MAX], line_b[512], line_a[512];

static void *area(size_t pages, int prot, int flags)
{
	void *p = mmap(NULL, pages * P, prot, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		pfail("mmap");
	return p;
}

static void advise(void *p, size_t pages, int advice)
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

int main(int argc, char **argv)
{
	const char *a = after, *b = before;

	test_init(argc, argv);
	make_zoo();
	snapshot(before, before + MAX); /* faults in what the second one needs */
	snapshot(before, before + MAX);
	test_daemon();
	test_waitsig();
	snapshot(after, after + MAX);
	while (*a || *b) {
		a = take_line(a, line_a);
		b = take_line(b, line_b);
		if (strcmp(line_a, line_b) != 0) {
			test_msg("BEFORE:\n%sAFTER:\n%s", before, after);
			fail("was: %s; is: %s", line_b, line_a);
		}
	}
	pass();
}
