/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parent and child share descriptions, not descriptor tables: position moves for both, numbers differ. */
#include "zdtm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd, own, status, p[2];
	pid_t child;
	char c;

	test_init(argc, argv);
	fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, "0123456789", 10) != 10 || pipe(p) < 0)
		pfail("setup");
	child = fork();
	if (child < 0)
		pfail("fork");
	if (child == 0) {
		own = fcntl(fd, F_DUPFD, 200);
		close(fd);
		test_waitsig();
		if (own != 200 || lseek(own, 0, SEEK_CUR) != 10 || fcntl(fd, F_GETFD) >= 0)
			fail("child's descriptors");
		if (lseek(own, 4, SEEK_SET) != 4 || write(p[1], "x", 1) != 1)
			fail("child: lseek");
		_exit(0);
	}
	test_daemon();
	test_waitsig();
	kill(child, SIGTERM);
	if (read(p[0], &c, 1) != 1 || waitpid(child, &status, 0) != child || status)
		fail("child");
	if (lseek(fd, 0, SEEK_CUR) != 4)
		fail("position is %ld: not shared any more", (long)lseek(fd, 0, SEEK_CUR));
	pass();
}
