/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zombies are still there and tell their parent how they ended. */
#include "zdtm.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t zombie(int code, int sig)
{
	pid_t pid = fork();
	siginfo_t info;

	if (pid < 0)
		pfail("fork");
	if (!pid) {
		struct rlimit none = { 0, 0 };

		prctl(PR_SET_NAME, "deadbeef");
		setrlimit(RLIMIT_CORE, &none);
		if (sig)
			kill(getpid(), sig);
		_exit(code);
	}
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT))
		pfail("waitid");
	return pid;
}

static void check(pid_t pid, int code, int sig)
{
	char path[64], stat[256] = "";
	int status;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(stat, sizeof(stat), f))
		pfail("%s", path);
	fclose(f);
	if (!strstr(stat, "(deadbeef) Z"))
		fail("not the zombie it was: %s", stat);
	if (waitpid(pid, &status, WNOHANG) != pid)
		pfail("waitpid %d", pid);
	if (sig ? !WIFSIGNALED(status) || WTERMSIG(status) != sig : !WIFEXITED(status) || WEXITSTATUS(status) != code)
		fail("zombie %d ended with status %#x", pid, status);
}

int main(int argc, char **argv)
{
	pid_t a, b, c;

	test_init(argc, argv);
	a = zombie(0, 0);
	b = zombie(77, 0);
	c = zombie(0, SIGUSR1);
	test_daemon();
	test_waitsig();
	check(a, 0, 0);
	check(b, 77, 0);
	check(c, 0, SIGUSR1);
	if (waitpid(-1, NULL, WNOHANG) != -1)
		fail("a child more than there was");
	pass();
}
