/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main thread stands at the very bottom of a stack that has grown. */
#include "zdtm.h"

#include <stdint.h>
#include <string.h>

static uintptr_t page_of(const void *p)
{
	return (uintptr_t)p & ~4095UL;
}

/* Deeper until only a few bytes of the last page touched are left. */
static __attribute__((noinline)) int deep(int level, unsigned int seed)
{
	volatile unsigned char frame[112];
	int sum = 0;

	for (unsigned int i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(seed + i + (unsigned int)level);
	if (level < 20000 || (uintptr_t)frame - page_of((const void *)frame) > 700) {
		sum = deep(level + 1, seed);
	} else {
		test_daemon();
		test_waitsig();
	}
	for (unsigned int i = 0; i < sizeof(frame); i++)
		sum += frame[i] != (unsigned char)(seed + i + (unsigned int)level);
	return sum;
}

int main(int argc, char **argv)
{
	int bad;

	test_init(argc, argv);
	bad = deep(0, 7);
	if (bad)
		fail("%d bytes of the stack have changed", bad);
	pass();
}
