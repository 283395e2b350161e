/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Less common mappings: a memfd and an unlinked file without descriptors, /dev/zero, named areas
 * (PR_SET_VMA), droppable (Linux 6.11) and sealed memory (6.10), an area moved by mremap.
 */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define P 4096UL
#define LEN (16 * P)

static char *map(int prot, int flags, int fd)
{
	char *p = mmap(NULL, LEN, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (p == MAP_FAILED)
		pfail("mmap");
	return p;
}

static char *map_file(int fd, int flags, unsigned int seed)
{
	char *p;

	if (fd < 0 || ftruncate(fd, LEN) < 0)
		pfail("file");
	p = map(PROT_READ | PROT_WRITE, flags, fd);
	pattern_fill(p, LEN, seed);
	close(fd);
	return p;
}

/* Is the area at @p called @name in maps? */
static int named(const char *p, const char *name)
{
	static char text[256 << 10];
	char start[32], *line;
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, start, strlen(start)) == 0)
			return strstr(line, name) != NULL;
	return 0;
}

int main(int argc, char **argv)
{
	char *memfd, *gone, *gone_priv, *zero, *name, *seal, *move, *to;
	int has_name, has_seal, fd;

	test_init(argc, argv);
	memfd = map_file(memfd_create("the name", 0), MAP_SHARED, 1);
	fd = open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600);
	gone_priv = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	gone = map_file(fd, MAP_SHARED, 2);
	unlink("gone");
	memset(gone_priv + 3 * P, 3, P);
	fd = open("/dev/zero", O_RDWR);
	zero = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	pattern_fill(zero, LEN, 4);
	name = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	pattern_fill(name, LEN, 5);
	has_name = prctl(0x53564d41, 0, name, LEN, "ctcr area") == 0;
	seal = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	pattern_fill(seal, LEN, 6);
	mprotect(seal, LEN, PROT_READ);
	has_seal = syscall(462, seal, LEN, 0) == 0;
	mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | 8 /* MAP_DROPPABLE */, -1, 0);
	move = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	to = map(PROT_NONE, MAP_PRIVATE, -1);
	pattern_fill(move, LEN, 7);
	if (mremap(move, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		pfail("mremap");
	test_daemon();
	test_waitsig();
	if (pattern_check(memfd, LEN, 1) >= 0 || !named(memfd, "/memfd:the name (deleted)"))
		fail("memfd");
	if (pattern_check(gone, LEN, 2) >= 0 || memcmp(gone, gone_priv, 3 * P) || gone_priv[3 * P] != 3)
		fail("unlinked file");
	gone[7 * P] ^= 1;
	if (gone[7 * P] != gone_priv[7 * P])
		fail("the unlinked file is two files now");
	if (pattern_check(zero, LEN, 4) >= 0)
		fail("/dev/zero");
	if (pattern_check(name, LEN, 5) >= 0 || (has_name && !named(name, "[anon:ctcr area]")))
		fail("named area");
	if (pattern_check(seal, LEN, 6) >= 0)
		fail("sealed area");
	if (has_seal && (mprotect(seal, LEN, PROT_READ | PROT_WRITE) == 0 || errno != EPERM))
		fail("not sealed any more");
	if (pattern_check(to, LEN, 7) >= 0)
		fail("moved area");
	pass();
}
