/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of MADV_GUARD_INSTALL (Linux 6.13) are still forbidden, their neighbours not. */
#include "zdtm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define P 4096UL

int main(int argc, char **argv)
{
	char *mem;

	test_init(argc, argv);
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
		if (is_readable(mem + i * P) != (i < 10 || i >= 14))
			fail("page %d: readable %d", i, is_readable(mem + i * P));
	if (madvise(mem + 10 * P, 4 * P, 103) < 0 || !is_readable(mem + 11 * P))
		fail("guard pages cannot be taken away");
	pass();
}
