/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns twice */
/*
 * A process with threads and a child in a user namespace that was made last, in a mount namespace of its own
 * beside it, as a service of systemd's with PrivateUsers= and PrivateTmp= is.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct board {
	volatile int unshared, mapped, ready, go;
	volatile long tids[3], after[3];
};

static void put(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file_put(path, text);
}

struct arg {
	struct board *b;
	int i;
};

static void *work(void *p)
{
	struct arg *a = p;

	a->b->tids[a->i] = syscall(SYS_gettid);
	__sync_fetch_and_add(&a->b->ready, 1);
	while (!a->b->go)
		usleep(1000);
	if (syscall(SYS_getuid) != 5 || syscall(SYS_getgid) != 6)
		fail("thread %d: uid %ld", a->i, syscall(SYS_getuid));
	a->b->after[a->i] = syscall(SYS_gettid);
	return NULL;
}

static void service(struct board *b)
{
	struct arg args[3] = { { b, 0 }, { b, 1 }, { b, 2 } };
	pthread_t t[2];
	struct stat st;
	pid_t pid;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("private", "/tmp", "tmpfs", 0, "mode=1777") || mkdir("/tmp/mine", 0755) ||
	    unshare(CLONE_NEWUSER))
		pfail("unshare");
	b->unshared = 1;
	while (!b->mapped)
		usleep(1000);
	if (setresgid(6, 6, 6) || setresuid(5, 5, 5))
		pfail("setresuid");
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, work, &args[i]))
			fail("thread");
	pid = fork();
	if (!pid) {
		work(&args[2]);
		_exit(0);
	}
	while (!b->go)
		usleep(1000);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	wait_child(pid);
	if (stat("/tmp/mine", &st))
		pfail("/tmp/mine");
	if (mkdir("/tmp/other", 0755))
		pfail("/tmp/other");
	_exit(0);
}

int main(int argc, char **argv)
{
	struct board *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	test_init(argc, argv);
	pid = fork();
	if (!pid)
		service(b);
	while (!b->unshared)
		usleep(1000);
	put(pid, "uid_map", "0 0 1\n5 1005 1\n");
	put(pid, "gid_map", "0 0 1\n6 1006 1\n");
	b->mapped = 1;
	while (b->ready < 3)
		usleep(1000);
	test_daemon();
	test_waitsig();
	b->go = 1;
	wait_child(pid);
	for (int i = 0; i < 3; i++)
		if (b->tids[i] != b->after[i])
			fail("thread %d is %ld, was %ld", i, b->after[i], b->tids[i]);
	pass();
}
