/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User namespaces inside the one of the test: one made last, as systemd's PrivateUsers= does, and one that
 * owns a uts namespace. Maps, ids, denied setgroups, power over what is owned.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct board {
	volatile int unshared[2], mapped[2], ready[2], go;
};

static void put(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file_put(path, text);
}

struct facts {
	char uid_map[200], gid_map[200], setgroups[20], host[65];
	uid_t uid;
	gid_t gid;
};

static void look(struct facts *f)
{
	memset(f, 0, sizeof(*f));
	file_get("/proc/self/uid_map", f->uid_map, sizeof(f->uid_map));
	file_get("/proc/self/gid_map", f->gid_map, sizeof(f->gid_map));
	file_get("/proc/self/setgroups", f->setgroups, sizeof(f->setgroups));
	if (gethostname(f->host, sizeof(f->host)))
		pfail("gethostname");
	f->uid = getuid();
	f->gid = getgid();
}

static void child(struct board *b, int i, int flags)
{
	struct facts before, after;

	if (unshare(flags))
		pfail("unshare");
	b->unshared[i] = 1;
	while (!b->mapped[i])
		usleep(1000);
	if (setresgid(7, 7, 7) || setresuid(5, 5, 5))
		pfail("setresuid");
	look(&before);
	b->ready[i] = 1;
	while (!b->go)
		usleep(1000);
	look(&after);
	if (memcmp(&before, &after, sizeof(before)))
		fail("child %d: uid %u %s gid %u %s setgroups %s host %s", i, after.uid, after.uid_map,
		     after.gid, after.gid_map, after.setgroups, after.host);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct board *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static const int flags[2] = { CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWUTS };
	pid_t pids[2];
	test_init(argc, argv);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			child(b, i, flags[i]);
		while (!b->unshared[i])
			usleep(1000);
		put(pids[i], "uid_map", "0 10 3\n5 2005 2\n");
		if (i)
			put(pids[i], "setgroups", "deny");
		put(pids[i], "gid_map", "0 3000 8\n");
		b->mapped[i] = 1;
		while (!b->ready[i])
			usleep(1000);
	}
	test_daemon();
	test_waitsig();
	b->go = 1;
	for (int i = 0; i < 2; i++)
		wait_child(pids[i]);
	pass();
}
