/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host */
/* refuse: --link-remap */
/* Without --link-remap a file that has a name only elsewhere is refused, and nothing is made. */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd;

	test_init(argc, argv);
	fd = open("one", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || mkdir("there", 0700) || link("one", "there/one") || unlink("one"))
		pfail("one");
	test_daemon();
	test_waitsig();
	pass();
}
