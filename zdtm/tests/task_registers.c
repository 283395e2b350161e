/* SPDX-License-Identifier: GPL-2.0-or-later */
/* General, SSE and AVX registers of a running loop survive, and so do rounding mode and flags. */
#include "zdtm.h"

#include <stdint.h>
#include <string.h>

static volatile int stop;

/* Spin with patterns in registers until *stop; how many registers differ then. */
static int spin(volatile int *flag)
{
	uint64_t out[12];
	uint8_t vec[32] __attribute__((aligned(32))), want[32] __attribute__((aligned(32)));

	for (int i = 0; i < 32; i++)
		want[i] = (uint8_t)(i * 7 + 3);
	__asm__ volatile("vmovdqa (%[want]), %%ymm7\n\t"
			 "movq $0x1111111111111111, %%r8\n\t"
			 "movq $0x2222222222222222, %%r9\n\t"
			 "movq $0x3333333333333333, %%r10\n\t"
			 "movq $0x4444444444444444, %%r12\n\t"
			 "movq $0x5555555555555555, %%r13\n\t"
			 "1:\n\t"
			 "pause\n\t"
			 "cmpl $0, (%[flag])\n\t"
			 "je 1b\n\t"
			 "movq %%r8, 0(%[out])\n\t"
			 "movq %%r9, 8(%[out])\n\t"
			 "movq %%r10, 16(%[out])\n\t"
			 "movq %%r12, 24(%[out])\n\t"
			 "movq %%r13, 32(%[out])\n\t"
			 "vmovdqa %%ymm7, (%[vec])\n\t"
			 :
			 : [flag] "r"(flag), [out] "r"(out), [vec] "r"(vec), [want] "r"(want)
			 : "r8", "r9", "r10", "r12", "r13", "xmm7", "memory", "cc");
	for (int i = 0; i < 5; i++)
		if (out[i] != 0x1111111111111111ULL * (unsigned)(i + 1))
			return i + 1;
	return memcmp(vec, want, sizeof(vec)) ? 100 : 0;
}

#include <pthread.h>
#include <signal.h>

static void *watch(void *arg)
{
	test_waitsig();
	stop = 1;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	sigset_t set;
	int bad;

	test_init(argc, argv);
	if (!__builtin_cpu_supports("avx"))
		skip("this CPU has no AVX");
	__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x4000);
	if (pthread_create(&t, NULL, watch, NULL))
		fail("pthread_create");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	test_daemon();
	bad = spin(&stop);
	if (bad)
		fail("register %d has changed", bad);
	if ((__builtin_ia32_stmxcsr() & 0x6000) != 0x4000)
		fail("the rounding mode has changed");
	pass();
}
