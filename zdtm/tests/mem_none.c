/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory without read permission keeps its contents; a private read-only area too. */
#include "zdtm.h"

#include <signal.h>
#include <setjmp.h>
#include <sys/mman.h>

#define P 4096UL
#define LEN (300 * P)

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
	char *none, *ro, *wo;

	test_init(argc, argv);
	signal(SIGSEGV, on_segv);
	none = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ro = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	wo = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (none == MAP_FAILED || ro == MAP_FAILED || wo == MAP_FAILED)
		pfail("mmap");
	pattern_fill(none, LEN, 1);
	pattern_fill(ro, LEN, 2);
	pattern_fill(wo, LEN, 3);
	if (mprotect(none, LEN, PROT_NONE) || mprotect(ro, LEN, PROT_READ) || mprotect(wo, LEN, PROT_WRITE))
		pfail("mprotect");
	test_daemon();
	test_waitsig();
	if (readable(none))
		fail("PROT_NONE memory can be read");
	if (pattern_check(ro, LEN, 2) >= 0)
		fail("read-only memory differs");
	if (mprotect(none, LEN, PROT_READ) || mprotect(wo, LEN, PROT_READ))
		pfail("mprotect");
	if (pattern_check(none, LEN, 1) >= 0)
		fail("PROT_NONE memory differs at %ld", pattern_check(none, LEN, 1));
	if (pattern_check(wo, LEN, 3) >= 0)
		fail("write-only memory differs");
	pass();
}
