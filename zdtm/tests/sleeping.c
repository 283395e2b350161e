/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A nanosleep that a dump interrupts goes on: no error, never shorter than asked for. */
#include "zdtm.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleeper(void)
{
	struct timespec t = { .tv_sec = 4 };
	double began = now();

	if (nanosleep(&t, NULL))
		fail("nanosleep returned %s after %.3f s", strerror(errno), now() - began);
	if (now() - began < 3.999)
		fail("nanosleep of 4 s took %.3f s", now() - began);
	_exit(0);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	test_init(argc, argv);
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (!pid)
		sleeper();
	usleep(50000);
	test_daemon();
	test_waitsig();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pfail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("the sleeper ended with status %#x", status);
	pass();
}
