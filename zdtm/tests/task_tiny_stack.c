/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main thread and another run on small stacks (as coroutines do) with data right below them, and a
 * third at the very end of its stack: no byte of theirs is changed.
 */
#include "zdtm.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define BELOW 65536
#define STACK 1024

struct place {
	ucontext_t home, away;
	unsigned char *mem;
	unsigned int seed;
};

static volatile int stop;
static atomic_int ready;
static struct place places[2] = { { .seed = 1 }, { .seed = 2 } };

static void spin(int which)
{
	atomic_fetch_add(&ready, 1);
	while (!stop)
		__asm__ volatile("pause");
	swapcontext(&places[which].away, &places[which].home);
}

/* From here on the thread runs on STACK bytes above BELOW bytes of a pattern. */
static void on_tiny_stack(int which)
{
	struct place *p = &places[which];

	p->mem = mmap(NULL, BELOW + STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED || getcontext(&p->away))
		fail("place");
	memset(p->mem + BELOW + STACK, 0x5a, 4096);
	p->away.uc_stack.ss_sp = p->mem;
	p->away.uc_stack.ss_size = BELOW + STACK;
	makecontext(&p->away, (void (*)(void))spin, 1, which);
	pattern_fill(p->mem, BELOW, p->seed);
	swapcontext(&p->home, &p->away);
}

static void check(int which)
{
	long at = pattern_check(places[which].mem, BELOW, places[which].seed);

	if (at >= 0)
		fail("place %d: byte %ld (of %d below the stack) has changed", which, at, BELOW);
	for (int i = 0; i < 4096; i++)
		if (places[which].mem[BELOW + STACK + i] != 0x5a)
			fail("place %d: byte %d above the stack has changed", which, i);
}

static void *tiny(void *arg)
{
	on_tiny_stack(1);
	return NULL;
}

/* The stack pointer 256 bytes above the end of the mapping. */
static void *at_the_end(void *arg)
{
	unsigned char *low = arg;

	atomic_fetch_add(&ready, 1);
	__asm__ volatile("movq %%rsp, %%r12\n\t"
			 "movq %[low], %%rsp\n\t"
			 "1: pause\n\t"
			 "cmpl $0, (%[stop])\n\t"
			 "je 1b\n\t"
			 "movq %%r12, %%rsp\n\t"
			 :
			 : [low] "r"(low + 256), [stop] "r"(&stop)
			 : "r12", "memory", "cc");
	return NULL;
}

static void *watch(void *arg)
{
	while (ready < 3)
		usleep(1000);
	test_daemon();
	test_waitsig();
	stop = 1;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t a, b, w;
	sigset_t all;
	void *mem;

	test_init(argc, argv);
	mem = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_init(&attr);
	if (mem == MAP_FAILED || pthread_attr_setstack(&attr, mem, 1 << 16) ||
	    pthread_create(&w, NULL, watch, NULL))
		fail("threads");
	/* no handler may run on the small stacks */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (pthread_create(&a, NULL, tiny, NULL) || pthread_create(&b, &attr, at_the_end, mem))
		fail("threads");
	on_tiny_stack(0);
	if (pthread_join(a, NULL) || pthread_join(b, NULL))
		fail("join");
	check(0);
	check(1);
	pass();
}
