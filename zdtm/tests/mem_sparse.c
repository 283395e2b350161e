/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page here and there in 64 GiB: all come back, and no others. */
#include "zdtm.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096UL
#define LEN (64UL << 30)
#define STEP (37UL << 20)

static int present(const char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t e;

	if (fd < 0 || pread(fd, &e, 8, (uintptr_t)p / P * 8) != 8)
		pfail("pagemap");
	close(fd);
	return e >> 63;
}

int main(int argc, char **argv)
{
	char *mem, zero;

	test_init(argc, argv);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		pfail("mmap");
	madvise(mem, LEN, MADV_NOHUGEPAGE);
	for (unsigned long at = 0; at < LEN; at += STEP)
		pattern_fill(mem + at, P, at / STEP);
	zero = *(volatile char *)(mem + 5 * P); /* the zero page needs no storing */
	test_daemon();
	test_waitsig();
	for (unsigned long at = 0; at < LEN; at += STEP) {
		if (present(mem + at + P) || present(mem + at + 100 * P))
			fail("a page that was never touched is there (%lx)", at);
		if (pattern_check(mem + at, P, at / STEP) >= 0)
			fail("page at %lx differs", at);
	}
	if (zero || mem[5 * P] || mem[9 * P])
		fail("a page that was never written is not zero");
	pass();
}
