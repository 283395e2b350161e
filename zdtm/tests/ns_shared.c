/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child in its own uts and ipc namespaces, and a sibling that has joined them. */
#include "zdtm.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

struct board {
	volatile int ready[2], go, named;
};

static void join(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, 0))
		pfail("%s", path);
	close(fd);
}

static void maker(struct board *b)
{
	if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) || sethostname("inner", 5) ||
	    msgget(0x123, IPC_CREAT | 0600) < 0)
		pfail("unshare");
	b->ready[0] = 1;
	while (!b->go)
		usleep(1000);
	if (sethostname("renamed", 7))
		pfail("sethostname");
	b->named = 1;
	_exit(0);
}

static void joiner(struct board *b, pid_t pid)
{
	char name[65] = "";

	join(pid, "uts");
	join(pid, "ipc");
	b->ready[1] = 1;
	while (!b->named)
		usleep(1000);
	if (gethostname(name, sizeof(name)) || strcmp(name, "renamed"))
		fail("host name %s", name);
	if (msgget(0x123, 0) < 0)
		pfail("the queue");
	_exit(0);
}

int main(int argc, char **argv)
{
	struct board *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char before[65] = "", after[65] = "";
	pid_t pids[2];
	test_init(argc, argv);
	if (gethostname(before, sizeof(before)))
		pfail("gethostname");
	pids[0] = fork();
	if (!pids[0])
		maker(b);
	while (!b->ready[0])
		usleep(1000);
	pids[1] = fork();
	if (!pids[1])
		joiner(b, pids[0]);
	while (!b->ready[1])
		usleep(1000);
	test_daemon();
	test_waitsig();
	b->go = 1;
	for (int i = 0; i < 2; i++)
		wait_child(pids[i]);
	if (gethostname(after, sizeof(after)) || strcmp(before, after))
		fail("the test's own host name is %s, was %s", after, before);
	pass();
}
