/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cpuid.h>

#include "image/image.h"

/* XGETBV 0 and CPUID leaf 0xd: Intel SDM volume 1, 13.2. */
uint64_t image_cpu_xfeatures(uint32_t *ret_size)
{
	uint32_t a, b, c, d, lo, hi;

	*ret_size = 0;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		*ret_size = b;
	return (uint64_t)hi << 32 | lo;
}
