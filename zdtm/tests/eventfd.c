/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 64-bit counter and the semaphore flag of an eventfd. */
#include "zdtm.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uint64_t big = 0x100000005ULL, v;
	int count, sem;

	test_init(argc, argv);
	count = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	sem = eventfd(3, EFD_SEMAPHORE);
	if (count < 0 || sem < 0 || write(count, &big, 8) != 8)
		pfail("eventfd");
	test_daemon();
	test_waitsig();
	if (read(count, &v, 8) != 8 || v != big)
		fail("counter %llx", (unsigned long long)v);
	if (!(fcntl(count, F_GETFL) & O_NONBLOCK) || fcntl(sem, F_GETFL) & O_NONBLOCK)
		fail("flags");
	if (read(sem, &v, 8) != 8 || v != 1 || read(sem, &v, 8) != 8 || v != 1)
		fail("not a semaphore: %llu", (unsigned long long)v);
	pass();
}
