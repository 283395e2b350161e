/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that runs programs all the time: its vfork() is left to end, then it is dumped. */
/* timeout: 40 */
#include "zdtm.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_one(int code)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		usleep(40000);
		_exit(code);
	}
	if (pid < 0)
		pfail("vfork");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pfail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		fail("status %#x", status);
}

int main(int argc, char **argv)
{
	int n = 0;

	test_init(argc, argv);
	test_daemon();
	while (test_go()) {
		run_one(n++ & 0x7f);
		usleep(40000);
	}
	pass();
}
