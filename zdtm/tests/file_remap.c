/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns userns twice */
/* dump: --link-remap */
/* Files opened by a name that was removed while another one, elsewhere, leads to them; open, and only mapped.
 */
#include "zdtm.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void names(char *buf, size_t size)
{
	DIR *d = opendir("here");
	struct dirent *de;
	size_t n = 0;

	if (!d)
		pfail("here");
	buf[0] = 0;
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			n += snprintf(buf + n, size - n, "%s ", de->d_name);
	closedir(d);
}

/* Open here/NAME; then only there/NAME is left. */
static int lost(const char *name, const char *text)
{
	char here[64], there[64];
	int fd;

	snprintf(here, sizeof(here), "here/%s", name);
	snprintf(there, sizeof(there), "there/%s", name);
	fd = open(here, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || link(here, there) || unlink(here))
		pfail("%s", here);
	return fd;
}

static void link_text(int fd, char *buf, size_t size)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		pfail("%s", path);
	buf[n] = 0;
}

int main(int argc, char **argv)
{
	char before[400], after[400], list[400];
	struct stat a, b;
	int fd, again, mapped;
	char *map;

	test_init(argc, argv);
	if (mkdir("here", 0700) || mkdir("there", 0700))
		pfail("mkdir");
	fd = lost("one", "first");
	again = open("there/one", O_RDONLY);
	mapped = lost("two", "second");
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mapped, 0);
	if (again < 0 || map == MAP_FAILED)
		pfail("open, mmap");
	close(mapped);
	link_text(fd, before, sizeof(before));
	test_daemon();
	test_waitsig();
	names(list, sizeof(list));
	if (list[0])
		fail("left behind: %s", list);
	link_text(fd, after, sizeof(after));
	if (strcmp(before, after))
		fail("it was %s, now it is %s", before, after);
	if (fstat(fd, &a) || stat("there/one", &b) || a.st_ino != b.st_ino || b.st_nlink != 1)
		fail("another file, or %d names", (int)b.st_nlink);
	if (pwrite(fd, "F", 1, 0) != 1 || pread(again, list, 5, 0) != 5 || memcmp(list, "First", 5))
		fail("not what was written");
	if (memcmp(map, "second", 7))
		fail("not what was mapped");
	pass();
}
