/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME go on: never back, not by the time away, and the vdso says the same
 * as the system call.
 */
#include "zdtm.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

static long long now(clockid_t id)
{
	struct timespec t[3];

	clock_gettime(id, &t[0]);
	if (syscall(SYS_clock_gettime, id, &t[1]))
		pfail("clock_gettime");
	clock_gettime(id, &t[2]);
	if (ns(&t[1]) < ns(&t[0]) || ns(&t[2]) < ns(&t[1]))
		fail("clock %d: vdso %lld, system call %lld, vdso %lld", id, ns(&t[0]), ns(&t[1]), ns(&t[2]));
	return ns(&t[2]);
}

struct clocks {
	long long mono, boot, real;
};

static struct clocks read_all(void)
{
	struct clocks c = { .mono = now(CLOCK_MONOTONIC), .boot = now(CLOCK_BOOTTIME), .real = now(CLOCK_REALTIME) };

	return c;
}

int main(int argc, char **argv)
{
	char before[64] = "", after[64] = "";
	struct clocks first, last;

	test_init(argc, argv);
	if (readlink("/proc/self/ns/time", before, sizeof(before) - 1) < 0)
		skip("no time namespaces");
	first = last = read_all();
	test_daemon();
	while (test_go()) {
		struct clocks c = read_all();

		if (c.mono < last.mono || c.boot < last.boot)
			fail("monotonic %lld after %lld, boottime %lld after %lld", c.mono, last.mono, c.boot, last.boot);
		last = c;
		usleep(1000);
	}
	last = read_all();
	if (readlink("/proc/self/ns/time", after, sizeof(after) - 1) < 0)
		pfail("ns/time");
	/* restored: the wall clock went on meanwhile, these did not */
	if (strcmp(before, after) && (last.mono - first.mono >= last.real - first.real ||
				      last.boot - first.boot >= last.real - first.real))
		fail("%s to %s: real +%lld ns, monotonic +%lld, boottime +%lld", before, after, last.real - first.real, last.mono - first.mono,
		     last.boot - first.boot);
	pass();
}
