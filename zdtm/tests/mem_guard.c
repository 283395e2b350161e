/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of MADV_GUARD_INSTALL (Linux 6.13) are still forbidden, their neighbours not. */
#include "zdtm.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define P 4096UL

static sigjmp_buf back;

static void on_segv(int sig)
{
	siglongjmp(back, 1);
}

static int readable(const volatile char *p)
{
	if (sigsetjmp(back, 1))
		return 0;
	(void)*p;
	return 1;
}

int main(int argc, char **argv)
{
	char *mem;

	test_init(argc, argv);
	signal(SIGSEGV, on_segv);
	mem = mmap(NULL, 64 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		pfail("mmap");
	memset(mem, 7, 64 * P);
	if (madvise(mem + 10 * P, 4 * P, 102) < 0) {
		if (errno == EINVAL)
			skip("no MADV_GUARD_INSTALL here");
		pfail("madvise");
	}
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 64; i++)
		if (readable(mem + i * P) != (i < 10 || i >= 14))
			fail("page %d: readable %d", i, readable(mem + i * P));
	if (madvise(mem + 10 * P, 4 * P, 103) < 0 || !readable(mem + 11 * P))
		fail("guard pages cannot be taken away");
	pass();
}
