/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pid namespace in the one of the test: pids in it, and that they go on where they were. */
#include "zdtm.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct board {
	volatile int ready, go;
	volatile pid_t init, child, ppid, next, before;
};

static pid_t burn(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void inside(struct board *b)
{
	pid_t pid;

	for (int i = 0; i < 20; i++)
		burn();
	pid = fork();
	if (!pid) {
		b->before = getpid();
		b->ready = 1;
		while (!b->go)
			usleep(1000);
		b->child = (pid_t)syscall(SYS_getpid);
		b->ppid = getppid();
		_exit(0);
	}
	while (!b->go)
		usleep(1000);
	b->init = (pid_t)syscall(SYS_getpid);
	b->next = burn();
	_exit(waitpid(pid, NULL, 0) == pid ? 0 : 1);
}

int main(int argc, char **argv)
{
	struct board *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	test_init(argc, argv);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		pfail("clone");
	if (!pid)
		inside(b);
	while (!b->ready)
		usleep(1000);
	test_daemon();
	test_waitsig();
	b->go = 1;
	wait_child(pid);
	if (b->init != 1 || b->child != b->before || b->ppid != 1 || b->next != b->before + 1)
		fail("init is %d, child %d of %d (was %d), next %d", b->init, b->child, b->ppid, b->before,
		     b->next);
	pass();
}
