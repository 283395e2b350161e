/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file lock without --file-locks. */
/* modes: host */
/* refuse: --file-locks */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd, other;

	test_init(argc, argv);
	fd = open("flock", O_RDWR | O_CREAT, 0600);
	if (flock(fd, LOCK_EX) < 0)
		pfail("flock");
	test_daemon();
	test_waitsig();
	other = open("flock", O_RDWR);
	if (flock(other, LOCK_SH | LOCK_NB) == 0)
		fail("the lock is lost");
	pass();
}
