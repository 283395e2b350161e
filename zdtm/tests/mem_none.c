/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory without read permission keeps its contents; a private read-only area too. */
#include "zdtm.h"

#include <stddef.h>
#include <sys/mman.h>

#define P 4096UL
#define LEN (300 * P)

int main(int argc, char **argv)
{
	char *none, *ro, *wo;

	test_init(argc, argv);
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
	if (is_readable(none))
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
