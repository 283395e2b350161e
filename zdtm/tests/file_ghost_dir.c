/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A removed directory that is still open; a file with another name in its directory. */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int dir, fd;
	struct stat st, named;

	test_init(argc, argv);
	if (mkdir("gone", 0711) < 0)
		pfail("mkdir");
	dir = open("gone", O_RDONLY | O_DIRECTORY);
	fd = open("first", O_RDWR | O_CREAT, 0600);
	if (dir < 0 || fd < 0 || rmdir("gone") < 0 || link("first", "second") < 0 || unlink("first") < 0)
		pfail("setup");
	test_daemon();
	test_waitsig();
	if (fstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_mode & 07777) != 0711 ||
	    access("gone", F_OK) == 0)
		fail("directory");
	if (openat(dir, "x", O_WRONLY | O_CREAT, 0600) >= 0)
		fail("the directory is not a removed one");
	if (fstat(fd, &st) < 0 || stat("second", &named) < 0 || st.st_ino != named.st_ino)
		fail("the other name leads elsewhere");
	pass();
}
