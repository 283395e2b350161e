/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pipe whose reader is not in the tree is refused before anything is frozen. */
/* modes: host */
/* refuse: its other end is outside */
#include "zdtm.h"

#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int p[2];
	pid_t pid;
	char c;

	test_init(argc, argv);
	if (pipe(p) < 0)
		pfail("pipe");
	pid = fork();
	if (pid == 0) {
		/* The reader: an orphan that ends with the pipe. */
		if (fork() == 0) {
			close(p[1]);
			while (read(p[0], &c, 1) > 0)
				;
		}
		_exit(0);
	}
	close(p[0]);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		pfail("fork");
	test_daemon();
	test_waitsig();
	if (write(p[1], "x", 1) != 1)
		fail("the pipe is broken");
	pass();
}
