/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc shows of a program is the same: exe, auxv, cmdline, environ; the vdso gives the time. */
#include "zdtm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "auxv", "cmdline", "environ" };
static char texts[3][4096], exe[4096];

static ssize_t slurp(const char *name, char *to, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, O_RDONLY);
	n = read(fd, to, size);
	if (fd < 0 || n < 0)
		pfail("%s", path);
	close(fd);
	return n;
}

/* Fields of /proc/self/stat about memory: 26-28 and 45-51. */
static void stat_fields(unsigned long *to)
{
	char text[2048], *p;
	ssize_t n = slurp("stat", text, sizeof(text) - 1);

	text[n] = 0;
	p = strrchr(text, ')') + 2;
	for (int field = 3; p; field++, p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
		if ((field >= 26 && field <= 28) || (field >= 45 && field <= 51))
			sscanf(p, "%lu", to++);
}

int main(int argc, char **argv)
{
	unsigned long was[10], is[10];
	struct timespec a, b;
	ssize_t len[3];
	char now[4096];

	test_init(argc, argv);
	for (int i = 0; i < 3; i++)
		len[i] = slurp(names[i], texts[i], sizeof(texts[i]));
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		pfail("exe");
	stat_fields(was);
	clock_gettime(CLOCK_MONOTONIC, &a);
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 3; i++) {
		ssize_t n = slurp(names[i], now, sizeof(now));

		if (n != len[i] || memcmp(now, texts[i], n) != 0)
			fail("%s differs", names[i]);
	}
	memset(now, 0, sizeof(now));
	if (readlink("/proc/self/exe", now, sizeof(now) - 1) < 0 || strcmp(now, exe) != 0)
		fail("exe was %s, is %s", exe, now);
	stat_fields(is);
	for (int i = 0; i < 10; i++)
		if (was[i] != is[i])
			fail("memory field %d of stat was %lx, is %lx", i, was[i], is[i]);
	if (memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) != 0)
		fail("the vdso is not where auxv says");
	if (clock_gettime(CLOCK_MONOTONIC, &b) || b.tv_sec < a.tv_sec ||
	    (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
		fail("monotonic time went back");
	if (time(NULL) < 1700000000)
		fail("the vdso gives a wrong time");
	pass();
}
