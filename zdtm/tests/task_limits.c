/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits, scheduling, umask, current directory, name, personality and prctl switches. */
#include "zdtm.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int read_int(const char *path)
{
	FILE *f = fopen(path, "r");
	int v = -12345;

	if (!f || fscanf(f, strstr(path, "filter") ? "%x" : "%d", (unsigned int *)&v) != 1)
		pfail("%s", path);
	fclose(f);
	return v;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 333, 777 }, core = { 4096, 8192 }, now;
	char cwd[256], name[16];
	cpu_set_t set, is;
	FILE *f;

	test_init(argc, argv);
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
	umask(0137);
	if (chdir("/usr/lib"))
		pfail("chdir");
	prctl(PR_SET_NAME, "a name (odd)");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_TIMERSLACK, 123456);
	personality(ADDR_NO_RANDOMIZE);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	setpriority(PRIO_PROCESS, 0, 5);
	syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6);
	f = fopen("/proc/self/oom_score_adj", "w");
	if (!f || fprintf(f, "345") < 0 || fclose(f))
		pfail("oom_score_adj");
	f = fopen("/proc/self/coredump_filter", "w");
	if (!f || fprintf(f, "0x5") < 0 || fclose(f))
		pfail("coredump_filter");
	test_daemon();
	test_waitsig();
	getrlimit(RLIMIT_NOFILE, &now);
	if (now.rlim_cur != 333 || now.rlim_max != 777)
		fail("RLIMIT_NOFILE is %lu %lu", now.rlim_cur, now.rlim_max);
	getrlimit(RLIMIT_CORE, &now);
	if (now.rlim_cur != 4096 || now.rlim_max != 8192)
		fail("RLIMIT_CORE is %lu %lu", now.rlim_cur, now.rlim_max);
	if (umask(0) != 0137)
		fail("umask");
	if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/usr/lib"))
		fail("cwd is %s", cwd);
	prctl(PR_GET_NAME, name);
	if (strcmp(name, "a name (odd)"))
		fail("name is %s", name);
	int sub = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &sub);
	if (!sub || prctl(PR_GET_TIMERSLACK) != 123456)
		fail("subreaper %d, timer slack %d", sub, prctl(PR_GET_TIMERSLACK));
	if (personality(0xffffffff) != ADDR_NO_RANDOMIZE)
		fail("personality");
	if (sched_getaffinity(0, sizeof(is), &is) || !CPU_EQUAL(&is, &set))
		fail("affinity");
	if (getpriority(PRIO_PROCESS, 0) != 5 || syscall(SYS_ioprio_get, 1, 0) != (2 << 13 | 6))
		fail("nice %d, ioprio %#lx", getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0));
	if (read_int("/proc/self/oom_score_adj") != 345 || read_int("/proc/self/coredump_filter") != 5)
		fail("oom_score_adj or coredump_filter");
	pass();
}
