/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A busy counter goes on counting, and its memory keeps what it held. */
#include "zdtm.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LEN (4UL << 20)

static volatile unsigned long count, mirror;
static char data[64 << 10];

int main(int argc, char **argv)
{
	unsigned long last = 0;
	char *anon, *heap;

	test_init(argc, argv);
	anon = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	heap = malloc(LEN);
	if (anon == MAP_FAILED || !heap)
		pfail("memory");
	pattern_fill(anon, LEN, 1);
	pattern_fill(heap, LEN, 2);
	pattern_fill(data, sizeof(data), 3);
	test_daemon();
	while (test_go()) {
		mirror = ++count;
		if (count != last + 1)
			fail("the counter jumped from %lu to %lu", last, count);
		last = count;
	}
	if (mirror != count)
		fail("counter %lu, its mirror %lu", count, mirror);
	if (pattern_check(anon, LEN, 1) >= 0 || pattern_check(heap, LEN, 2) >= 0 ||
	    pattern_check(data, sizeof(data), 3) >= 0)
		fail("memory has changed: anon %ld heap %ld data %ld", pattern_check(anon, LEN, 1),
		     pattern_check(heap, LEN, 2), pattern_check(data, sizeof(data), 3));
	pass();
}
