/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pipe between processes; the reader is blocked in read() at the dump. */
#include "zdtm.h"

#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int there[2], back[2];
	pid_t child;
	char c = 0;

	test_init(argc, argv);
	if (pipe(there) < 0 || pipe(back) < 0)
		pfail("pipe");
	child = fork();
	if (child < 0)
		pfail("fork");
	if (child == 0) {
		close(there[1]);
		close(back[0]);
		while (read(there[0], &c, 1) == 1) {
			c++;
			if (write(back[1], &c, 1) != 1)
				fail("child: write");
		}
		_exit(c == 'b' ? 0 : 1);
	}
	close(there[0]);
	close(back[1]);
	test_daemon();
	test_waitsig();
	c = 'a';
	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1 || c != 'b')
		fail("round trip: %d", c);
	close(there[1]);
	wait_child(child);
	if (read(back[0], &c, 1) != 0)
		fail("no end-of-file from the child");
	pass();
}
