/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's own file was removed: it runs on, /proc/self/exe says so. */
#include "zdtm.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char path[512] = "", link[512] = "";
	struct stat before, after;

	test_init(argc, argv);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 || unlink(path) < 0)
		pfail("unlink");
	if (stat("/proc/self/exe", &before) < 0)
		pfail("exe");
	test_daemon();
	test_waitsig();
	if (readlink("/proc/self/exe", link, sizeof(link) - 1) < 0 || !strstr(link, " (deleted)"))
		fail("exe is %s", link);
	if (strncmp(path, link, strlen(path)))
		fail("exe is %s, was %s", link, path);
	if (stat("/proc/self/exe", &after) < 0 || after.st_size != before.st_size || after.st_nlink ||
	    (after.st_mode & 07777) != (before.st_mode & 07777))
		fail("size %ld mode %o", (long)after.st_size, after.st_mode);
	pass();
}
