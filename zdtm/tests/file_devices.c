/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device nodes without state, O_PATH, directories with a position, files of proc. */
#include "zdtm.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int null, zero, random, path, dir, proc, link;
	char buf[64], text[2][64] = { "", "" };
	struct stat st;

	test_init(argc, argv);
	null = open("/dev/null", O_RDWR);
	zero = open("/dev/zero", O_RDONLY);
	random = open("/dev/urandom", O_RDONLY);
	path = open(".", O_PATH | O_DIRECTORY);
	dir = open("/", O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	proc = open("/proc/sys/kernel/ostype", O_RDONLY);
	if (symlink("nowhere", "link") < 0 || (link = open("link", O_PATH | O_NOFOLLOW)) < 0)
		pfail("link");
	if (null < 0 || zero < 0 || random < 0 || path < 0 || dir < 0 || proc < 0)
		skip("devices");
	if (pread(proc, text[0], 63, 0) <= 0)
		pfail("proc");
	test_daemon();
	test_waitsig();
	if (write(null, "x", 1) != 1 || read(null, buf, 1) != 0)
		fail("/dev/null");
	if (read(zero, buf, 4) != 4 || memcmp(buf, "\0\0\0\0", 4) || read(random, buf, 8) != 8)
		fail("/dev/zero, /dev/urandom");
	if (!(fcntl(path, F_GETFL) & O_PATH) || fstatat(path, "link", &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail("O_PATH");
	if (fstat(link, &st) < 0 || !S_ISLNK(st.st_mode))
		fail("O_PATH of a symbolic link: %o", st.st_mode);
	if (!(fcntl(dir, F_GETFL) & O_DIRECTORY) || fstatat(dir, "proc", &st, 0) < 0)
		fail("directory");
	if (pread(proc, text[1], 63, 0) <= 0 || strcmp(text[0], text[1]))
		fail("proc");
	pass();
}
