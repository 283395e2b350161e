/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two processes share one descriptor table (CLONE_FILES): what one opens or closes the other has or has not.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int p[2], status, fd;
	pid_t child;
	char c;

	test_init(argc, argv);
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || pipe(p) < 0)
		pfail("setup");
	child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (child < 0)
		pfail("clone");
	if (child == 0) {
		test_waitsig();
		close(fd);
		if (dup2(p[1], 300) != 300 || write(300, "x", 1) != 1)
			_exit(1);
		_exit(0);
	}
	test_daemon();
	test_waitsig();
	if (fcntl(fd, F_GETFD) < 0 || fcntl(300, F_GETFD) >= 0)
		fail("descriptors before");
	kill(child, SIGTERM);
	if (waitpid(child, &status, 0) != child || status || read(p[0], &c, 1) != 1)
		fail("child %x", status);
	if (fcntl(fd, F_GETFD) >= 0 || fcntl(300, F_GETFD) < 0)
		fail("the table is not shared any more");
	pass();
}
