/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, groups, capability sets, securebits, no_new_privs of a process that gave up most of them. */
#include "zdtm.h"

#include <grp.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_status(char *buf, size_t size)
{
	char line[512];
	FILE *f = fopen("/proc/self/status", "r");

	*buf = 0;
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7) ||
		    !strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs:", 11))
			strncat(buf, line, size - strlen(buf) - 1);
	if (!f)
		pfail("status");
	fclose(f);
}

static void child(int ready, int go)
{
	static char before[4096], after[4096];
	gid_t groups[] = { 5, 100, 7 };
	cap_t caps;
	char c;

	prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT);
	prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT);
	if (setgroups(3, groups) || setresgid(10, 11, 12) || setresuid(20, 21, 22))
		pfail("ids");
	caps = cap_from_text("cap_net_admin,cap_kill=p cap_net_raw=eip");
	if (cap_set_proc(caps))
		pfail("capset");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0))
		pfail("ambient");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	read_status(before, sizeof(before));
	int bits = prctl(PR_GET_SECUREBITS);
	if (write(ready, "r", 1) != 1 || read(go, &c, 1) != 1)
		pfail("pipe");
	read_status(after, sizeof(after));
	if (strcmp(before, after))
		fail("credentials were\n%sare\n%s", before, after);
	if (prctl(PR_GET_SECUREBITS) != bits)
		fail("securebits were %#x, are %#x", bits, prctl(PR_GET_SECUREBITS));
	_exit(0);
}

int main(int argc, char **argv)
{
	int ready[2], go[2], status;
	char c;
	pid_t pid;

	test_init(argc, argv);
	if (pipe(ready) || pipe(go))
		pfail("pipe");
	pid = fork();
	if (!pid)
		child(ready[1], go[0]);
	if (read(ready[0], &c, 1) != 1)
		pfail("child");
	test_daemon();
	test_waitsig();
	if (write(go[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		fail("the child ended with %#x", status);
	pass();
}
