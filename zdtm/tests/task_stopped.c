/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stopped child stays stopped and goes on at SIGCONT. */
#include "zdtm.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char state_of(pid_t pid)
{
	char path[64], c = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d (%*[^)]) %c", &c) != 1)
		pfail("%s", path);
	fclose(f);
	return c;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	test_init(argc, argv);
	pid = fork();
	if (!pid) {
		raise(SIGSTOP);
		_exit(42);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		pfail("waitpid");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 100 && state_of(pid) != 'T'; i++)
		usleep(10000);
	if (state_of(pid) != 'T')
		fail("the stopped child is in state %c", state_of(pid));
	kill(pid, SIGCONT);
	while (waitpid(pid, &status, 0) != pid)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
		fail("it ended with %#x", status);
	pass();
}
