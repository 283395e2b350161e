/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After mlockall(MCL_CURRENT | MCL_FUTURE) all is locked, and what is mapped after the restore too. */
#include "zdtm.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define P 4096UL

static long locked(void)
{
	return status_number("VmLck");
}

int main(int argc, char **argv)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	long was, is;

	test_init(argc, argv);
	setrlimit(RLIMIT_MEMLOCK, &lim); /* may fail: then the limit has to be enough */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		skip("mlockall");
	was = locked();
	was = locked();
	test_daemon();
	test_waitsig();
	is = locked();
	if (was != is)
		fail("%ld kB were locked, now %ld", was, is);
	if (mmap(NULL, 16 * P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		pfail("mmap");
	if (locked() != is + 64)
		fail("new memory is not locked: %ld kB, then %ld", is, locked());
	pass();
}
