/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A userfaultfd or io_uring is refused by name, and the test goes on. */
/* modes: host */
/* refuse: userfaultfd */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd;

	test_init(argc, argv);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd < 0)
		skip("no userfaultfd");
	test_daemon();
	test_waitsig();
	if (fcntl(fd, F_GETFD) < 0)
		fail("it was closed");
	pass();
}
