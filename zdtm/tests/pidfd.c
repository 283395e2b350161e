/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pidfds of a living process, of a zombie and of one that was reaped. */
#include "zdtm.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		pfail("pidfd_open");
	return fd;
}

int main(int argc, char **argv)
{
	pid_t live, gone;
	int a, b, status;
	struct pollfd p;

	test_init(argc, argv);
	live = fork();
	if (live == 0)
		for (;;)
			pause();
	gone = fork();
	if (gone == 0)
		_exit(0);
	a = open_pidfd(live);
	b = open_pidfd(gone);
	if (waitpid(gone, &status, 0) != gone)
		pfail("waitpid");
	test_daemon();
	test_waitsig();
	p = (struct pollfd){ .fd = a, .events = POLLIN };
	if (poll(&p, 1, 0) != 0)
		fail("the living process is dead");
	if (syscall(SYS_pidfd_send_signal, b, 0, NULL, 0) >= 0)
		fail("the dead process lives");
	if (syscall(SYS_pidfd_send_signal, a, SIGKILL, NULL, 0) < 0 || waitpid(live, &status, 0) != live ||
	    !WIFSIGNALED(status))
		pfail("pidfd of another process");
	if (poll(&p, 1, 0) != 1)
		fail("no event at the end");
	pass();
}
