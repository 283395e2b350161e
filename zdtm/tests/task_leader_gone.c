/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process whose main thread has ended while another goes on is refused, not dumped as a zombie. */
/* modes: host ns */
/* refuse: main thread has ended */
#include "zdtm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];

/* Until the main thread is gone; then for ever. */
static void *other(void *arg)
{
	char line[256];
	FILE *f;

	do {
		usleep(1000);
		f = fopen("/proc/self/stat", "r");
		if (!f || !fgets(line, sizeof(line), f))
			_exit(1);
		fclose(f);
	} while (!strstr(line, ") Z "));
	if (write(ends[1], "1", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	pthread_t t;
	char byte;
	pid_t pid;

	test_init(argc, argv);
	if (pipe(ends))
		pfail("pipe");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&t, NULL, other, NULL))
			_exit(1);
		pthread_exit(NULL);
	}
	if (pid < 0 || read(ends[0], &byte, 1) != 1)
		fail("child");
	test_daemon();
	test_waitsig();
	if (waitpid(pid, NULL, WNOHANG))
		fail("the child has ended");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pass();
}
