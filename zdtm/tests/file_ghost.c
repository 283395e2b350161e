/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An unlinked file: contents, holes, mode, two descriptions of it and a mapping stay one file. */
#include "zdtm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAR (64L << 20)

int main(int argc, char **argv)
{
	int a, b, other;
	struct stat sa, sb;
	char buf[16] = "", *map;
	test_init(argc, argv);
	a = open("ghost", O_RDWR | O_CREAT | O_EXCL, 0640);
	b = open("ghost", O_RDONLY);
	if (a < 0 || b < 0 || write(a, "begin", 5) != 5 || pwrite(a, "far", 3, FAR) != 3)
		pfail("setup");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	if (map == MAP_FAILED || fchmod(a, 0604) < 0 || unlink("ghost") < 0)
		pfail("setup");
	map[5] = '!';
	other = open("ghost", O_WRONLY | O_CREAT | O_EXCL, 0600); /* the name is somebody else's now */
	if (other < 0 || write(other, "other", 5) != 5)
		pfail("other");
	test_daemon();
	test_waitsig();
	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0 || sa.st_ino != sb.st_ino || sa.st_nlink ||
	    (sa.st_mode & 07777) != 0604)
		fail("ino %lu %lu nlink %lu mode %o", (long)sa.st_ino, (long)sb.st_ino, (long)sa.st_nlink,
		     sa.st_mode);
	if (sa.st_size != FAR + 3 || sa.st_blocks * 512 > FAR / 2)
		fail("size %ld in %ld blocks", (long)sa.st_size, (long)sa.st_blocks);
	if (read(b, buf, 6) != 6 || memcmp(buf, "begin!", 6) || pread(b, buf, 3, FAR) != 3 ||
	    memcmp(buf, "far", 3))
		fail("contents");
	if (lseek(a, 0, SEEK_CUR) != 5)
		fail("position");
	map[0] = 'B';
	if (pread(b, buf, 1, 0) != 1 || buf[0] != 'B')
		fail("the mapping is of another file");
	if (fstat(other, &sb) < 0 || sb.st_nlink != 1 || sb.st_size != 5)
		fail("the file that has the name now was touched");
	pass();
}
