/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host running twice */
/*
 * Own cgroups in a v1 hierarchy (pids) and in v2: placement of two processes and of a thread, limits, owner
 * and mode; the root of a cgroup namespace.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char v1[200], v2[200]; /* our cgroups */
static char old_v1[400], old_v2[400]; /* where we came from */

struct board {
	volatile int ready, go;
};

/* The mount point of the file system @type whose options have @word. */
static bool mounted(const char *type, const char *word, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char dir[200], fs[50], opts[300];
	bool found = false;

	while (f && !found && fscanf(f, "%*s %199s %49s %299s %*d %*d\n", dir, fs, opts) == 3)
		found = !strcmp(fs, type) && (!word || strstr(opts, word));
	if (f)
		fclose(f);
	if (found)
		snprintf(ret, size, "%s", dir);
	return found;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file_put(path, text);
}

static void *thread(void *arg)
{
	struct board *b = arg;
	char before[2000], after[2000], text[32], dir[300];

	snprintf(text, sizeof(text), "%ld", syscall(SYS_gettid));
	snprintf(dir, sizeof(dir), "%s/thread", v1);
	put(dir, "tasks", text);
	file_get("/proc/thread-self/cgroup", before, sizeof(before));
	b->ready++;
	while (!b->go)
		usleep(1000);
	file_get("/proc/thread-self/cgroup", after, sizeof(after));
	if (strcmp(before, after))
		fail("thread: %s", after);
	return NULL;
}

static void child(struct board *b)
{
	char before[2000], after[2000], dir[300];

	snprintf(dir, sizeof(dir), "%s/sub", v2);
	put(dir, "cgroup.procs", "0");
	file_get("/proc/self/cgroup", before, sizeof(before));
	b->ready++;
	while (!b->go)
		usleep(1000);
	file_get("/proc/self/cgroup", after, sizeof(after));
	if (strcmp(before, after))
		fail("child: %s", after);
	_exit(0);
}

static void make(void)
{
	char dir[300];

	if (!mounted("cgroup", "pids", v1, sizeof(v1)) || !mounted("cgroup2", NULL, v2, sizeof(v2)))
		skip("no hybrid cgroups");
	strcpy(old_v1, v1);
	strcpy(old_v2, v2);
	snprintf(v1 + strlen(v1), 60, "/ctcr-zdtm-place-%d", getpid());
	snprintf(v2 + strlen(v2), 60, "/ctcr-zdtm-place-%d", getpid());
	snprintf(dir, sizeof(dir), "%s/thread", v1);
	if (mkdir(v1, 0755) || mkdir(dir, 0755))
		pfail("%s", dir);
	snprintf(dir, sizeof(dir), "%s/sub", v2);
	if (mkdir(v2, 0755) || mkdir(dir, 0755) || chown(dir, 1000, 1001) || chmod(dir, 0750))
		pfail("%s", dir);
	put(v1, "pids.max", "123");
	put(v2, "cgroup.max.depth", "7");
	put(v1, "cgroup.procs", "0");
	put(v2, "cgroup.procs", "0");
}

static void check_and_remove(void)
{
	char dir[300], text[100];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s/pids.max", v1);
	file_get(dir, text, sizeof(text));
	if (strcmp(text, "123\n"))
		fail("pids.max %s", text);
	snprintf(dir, sizeof(dir), "%s/cgroup.max.depth", v2);
	file_get(dir, text, sizeof(text));
	if (strcmp(text, "7\n"))
		fail("cgroup.max.depth %s", text);
	snprintf(dir, sizeof(dir), "%s/sub", v2);
	if (stat(dir, &st) || st.st_uid != 1000 || st.st_gid != 1001 || (st.st_mode & 0777) != 0750)
		fail("owner or mode");
	put(old_v1, "cgroup.procs", "0");
	put(old_v2, "cgroup.procs", "0");
	rmdir(dir);
	rmdir(v2);
	snprintf(dir, sizeof(dir), "%s/thread", v1);
	rmdir(dir);
	rmdir(v1);
}

int main(int argc, char **argv)
{
	struct board *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char before[2000], after[2000];
	pthread_t t;
	pid_t pid;

	test_init(argc, argv);
	make();
	if (unshare(CLONE_NEWCGROUP))
		pfail("unshare");
	pid = fork();
	if (!pid)
		child(b);
	if (pthread_create(&t, NULL, thread, b))
		fail("thread");
	while (b->ready < 2)
		usleep(1000);
	file_get("/proc/self/cgroup", before, sizeof(before));
	if (!strstr(before, "pids:/\n"))
		fail("not the root of the namespace: %s", before);
	test_daemon();
	test_waitsig();
	file_get("/proc/self/cgroup", after, sizeof(after));
	if (strcmp(before, after))
		fail("%s", after);
	b->go = 1;
	pthread_join(t, NULL);
	wait_child(pid);
	check_and_remove();
	pass();
}
