/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Propagation: peers, slaves, slaves that are shared, unbindable; and a mount namespace of a child as systemd
 * makes them for services, a slave of ours with mounts of its own. After the restore mounts still travel.
 */
/* modes: ns userns running twice */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "mounts.h"

static void dir(const char *name)
{
	if (mkdir(name, 0755))
		pfail("mkdir %s", name);
}

static void do_mount(const char *from, const char *to, const char *type, unsigned long flags)
{
	if (mount(from, to, type, flags, NULL))
		pfail("mount %s %s %lx", from ? from : "", to, flags);
}

static void make(void)
{
	static const char *const dirs[] = { "m/gone", "m/left",	 "m/right",    "m/follow",
					    "m/peer", "m/peer2", "m/slave",    "m/both",
					    "m/lone", "m/top",	 "m/top/below" };

	dir("m");
	do_mount("none", "m", "tmpfs", 0);
	for (unsigned int i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		dir(dirs[i]);
	do_mount("none", "m/top", "tmpfs", 0);
	dir("m/top/below");
	do_mount(NULL, "m/top", NULL, MS_SHARED);
	do_mount("m/top", "m/peer", NULL, MS_BIND);
	do_mount("m/top/below", "m/peer2", NULL, MS_BIND);
	do_mount("m/top", "m/slave", NULL, MS_BIND);
	do_mount(NULL, "m/slave", NULL, MS_SLAVE);
	do_mount("m/top", "m/both", NULL, MS_BIND);
	do_mount(NULL, "m/both", NULL, MS_SLAVE);
	do_mount(NULL, "m/both", NULL, MS_SHARED);
	do_mount("m/top", "m/lone", NULL, MS_BIND);
	do_mount(NULL, "m/lone", NULL, MS_UNBINDABLE);
	/* Peers that show different parts of something that is mounted no more. */
	do_mount("none", "m/gone", "tmpfs", 0);
	do_mount(NULL, "m/gone", NULL, MS_SHARED);
	dir("m/gone/l");
	dir("m/gone/r");
	do_mount("m/gone", "m/follow", NULL, MS_BIND);
	do_mount(NULL, "m/follow", NULL, MS_SLAVE);
	do_mount("m/gone/l", "m/left", NULL, MS_BIND);
	do_mount("m/gone/r", "m/right", NULL, MS_BIND);
	if (umount("m/gone"))
		pfail("umount");
}

static int child(void *ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ||
	    mount("m/top/below", "m/lone", NULL, MS_BIND, NULL) ||
	    mount("none", "m/peer/below", "tmpfs", MS_NOEXEC, "size=4k") ||
	    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) ||
	    mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		return 1;
	if (mkdir("m/peer/below/own", 0700) || write(*(int *)ready, "r", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static char stack[65536] __attribute__((aligned(16)));

static int sees(pid_t pid, const char *what)
{
	char path[64], line[4096];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "r");
	if (!f)
		pfail("%s", path);
	while (fgets(line, sizeof(line), f))
		found += strstr(line, what) != NULL;
	fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	char *before, *after, c;
	pid_t pids[2];
	int p[2];

	test_init(argc, argv);
	make();
	if (pipe(p))
		pfail("pipe");
	pids[0] = getpid();
	pids[1] = clone(child, stack + sizeof(stack), CLONE_NEWNS | SIGCHLD, &p[1]);
	close(p[1]);
	if (pids[1] < 0 || read(p[0], &c, 1) != 1)
		pfail("child");
	before = mounts_text(pids, 2);
	test_daemon();
	test_waitsig();
	after = mounts_text(pids, 2);
	mounts_compare(before, after);
	/* A mount of ours appears at the peers, at the slaves and in the child; a slave's stays where it is.
	 */
	do_mount("travels", "m/top/below", "tmpfs", 0);
	if (sees(pids[0], "/m/peer/below") != 1 || sees(pids[0], "/m/slave/below") != 1 ||
	    sees(pids[0], "/m/both/below") != 1 || sees(pids[0], "/m/peer2 ") != 2 ||
	    sees(pids[0], "/m/lone/below") != 0)
		fail("a mount does not reach the peers");
	if (sees(pids[1], "- tmpfs travels") < 4)
		fail("a mount does not reach the child's namespace");
	do_mount("stays", "m/slave/below", "tmpfs", 0);
	if (sees(pids[0], "- tmpfs stays") != 1)
		fail("a slave's mount travels");
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	pass();
}
