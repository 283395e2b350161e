/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors of namespaces are those of the namespaces we live in. */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char *const paths[] = { "/proc/self/ns/net", "/proc/self/ns/uts", "/proc/self/ns/mnt" };
	struct stat a, b;
	int fd[3];

	test_init(argc, argv);
	for (int i = 0; i < 3; i++)
		if ((fd[i] = open(paths[i], O_RDONLY)) < 0)
			skip("%s", paths[i]);
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 3; i++)
		if (fstat(fd[i], &a) < 0 || stat(paths[i], &b) < 0 || a.st_ino != b.st_ino ||
		    a.st_dev != b.st_dev)
			fail("%s: another namespace", paths[i]);
	pass();
}
