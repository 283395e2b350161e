/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions and process groups: an own session, a daemon whose session leader is gone, a group whose
 * leader is gone, a child that stayed in the session its parent left.
 */
#include "zdtm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEADER, ORPHAN, GROUP, LEFT, LEAVER, N };

static struct {
	volatile pid_t pid, sid, pgid;
	volatile int ok;
} *who;
static volatile int *done;

static void member(int i)
{
	who[i].sid = getsid(0);
	who[i].pgid = getpgrp();
	who[i].pid = getpid();
	while (!*done)
		usleep(2000);
	if (getpid() != who[i].pid || getsid(0) != who[i].sid || getpgrp() != who[i].pgid)
		fail("task %d: pid %d sid %d pgid %d, was %d %d %d", i, getpid(), getsid(0), getpgrp(), who[i].pid,
		     who[i].sid, who[i].pgid);
	who[i].ok = 1;
	_exit(0);
}

static void start(void)
{
	pid_t pid;

	if (!fork()) { /* an own session */
		setsid();
		member(LEADER);
	}
	pid = fork(); /* a daemon: its session leader ends at once */
	if (!pid) {
		setsid();
		if (!fork())
			member(ORPHAN);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	pid = fork(); /* a group without its leader */
	if (!pid) {
		setpgid(0, 0);
		if (!fork())
			member(GROUP);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (!fork()) { /* a child stays, its parent leaves the session */
		if (!fork())
			member(LEFT);
		usleep(20000);
		setsid();
		member(LEAVER);
	}
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	who = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	done = (volatile int *)((char *)who + 2048);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	start();
	for (int i = 0; i < N; i++)
		while (!who[i].pid)
			usleep(1000);
	test_daemon();
	test_waitsig();
	*done = 1;
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < N; i++)
		if (!who[i].ok)
			fail("task %d did not come through", i);
	pass();
}
