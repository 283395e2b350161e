/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locked memory is locked again (the amount in VmLck), with its contents. */
#include "zdtm.h"

#include <string.h>
#include <sys/mman.h>

#define P 4096UL

static long locked(void)
{
	return status_number("VmLck");
}

int main(int argc, char **argv)
{
	char *mem, *fault;
	long was;

	test_init(argc, argv);
	mem = mmap(NULL, 64 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fault = mmap(NULL, 64 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || fault == MAP_FAILED)
		pfail("mmap");
	if (mlock(mem + 8 * P, 16 * P) || mlock2(fault, 8 * P, MLOCK_ONFAULT))
		skip("mlock");
	pattern_fill(mem, 64 * P, 1);
	was = locked();
	test_daemon();
	test_waitsig();
	if (was != 96 || locked() != was)
		fail("%ld kB were locked, now %ld", was, locked());
	if (pattern_check(mem, 64 * P, 1) >= 0)
		fail("contents differ");
	pass();
}
