/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What grows goes on growing: a MAP_GROWSDOWN area, the stack, the break. */
#include "zdtm.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096UL

static int deep(int n)
{
	volatile char page[P];

	memset((char *)page, n, sizeof(page));
	return n ? deep(n - 1) + page[17] : 0;
}

int main(int argc, char **argv)
{
	char *base, *down, *brk0;

	test_init(argc, argv);
	base = mmap(NULL, 2048 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED || munmap(base, 2048 * P))
		pfail("mmap");
	down = mmap(base + 2040 * P, 4 * P, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	if (down == MAP_FAILED)
		pfail("mmap");
	pattern_fill(down, 4 * P, 1);
	brk0 = sbrk(0);
	if (sbrk(8 * P) == (void *)-1)
		pfail("sbrk");
	pattern_fill(brk0, 8 * P, 2);
	test_daemon();
	test_waitsig();
	if (sbrk(0) != brk0 + 8 * P)
		fail("the break has moved by %ld", (long)((char *)sbrk(0) - (brk0 + 8 * P)));
	if (sbrk(100 * P) != brk0 + 8 * P)
		fail("the break cannot grow");
	memset(brk0 + 8 * P, 1, 100 * P);
	if (pattern_check(brk0, 8 * P, 2) >= 0 || pattern_check(down, 4 * P, 1) >= 0)
		fail("contents differ");
	for (int i = 1; i < 20; i++)
		down[-i * (long)P] = 1; /* a fault below makes it grow */
	deep(500);
	pass();
}
