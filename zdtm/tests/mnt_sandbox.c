/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child in a user and a mount namespace of its own, as sandboxes make them: a tmpfs of its own, binds, a
 * root changed. */
/* modes: ns userns running twice */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mounts.h"

static int go[2], ready[2];

static int child(void *arg)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go[0], &c, 1) != 1 || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 1;
	if (mount("own", "s", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=711") || mkdir("s/etc", 0755) ||
	    mkdir("s/d", 0700) || mount("/etc", "s/etc", NULL, MS_BIND, NULL) ||
	    mount(NULL, "s/etc", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
		return 2;
	if (write(ready[1], "r", 1) != 1)
		return 3;
	for (;;)
		pause();
}

static char stack[65536] __attribute__((aligned(16)));

static void map(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0 0 65536\n", 10) != 10 || close(fd))
		pfail("%s", path);
}

int main(int argc, char **argv)
{
	char *before, *after, c, path[64];
	struct stat st;
	pid_t pids[2];

	test_init(argc, argv);
	if (mkdir("s", 0755) || pipe(go) || pipe(ready))
		pfail("pipes");
	pids[0] = getpid();
	pids[1] = clone(child, stack + sizeof(stack), CLONE_NEWUSER | SIGCHLD, NULL);
	if (pids[1] < 0)
		pfail("clone");
	map(pids[1], "uid_map");
	map(pids[1], "gid_map");
	close(ready[1]);
	if (write(go[1], "g", 1) != 1 || read(ready[0], &c, 1) != 1)
		fail("the child cannot make its mounts");
	before = mounts_text(pids, 2);
	test_daemon();
	test_waitsig();
	after = mounts_text(pids, 2);
	mounts_compare(before, after);
	snprintf(path, sizeof(path), "/proc/%d/cwd/s/d", pids[1]);
	if (stat(path, &st) || (st.st_mode & 07777) != 0700)
		pfail("%s", path);
	if (!access("s/d", F_OK))
		fail("the child's tmpfs is ours too");
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	pass();
}
