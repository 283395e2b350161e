/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NUMA policies of an area and of the task. */
#include "zdtm.h"

#include <linux/mempolicy.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN (16 * 4096UL)

static void check(const char *what, void *addr, int want, unsigned long want_nodes)
{
	unsigned long nodes[16] = { 0 };
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, nodes, 1024, addr, addr ? MPOL_F_ADDR : 0) < 0)
		pfail("get_mempolicy");
	if (mode != want || nodes[0] != want_nodes)
		fail("%s: mode %x nodes %lx, should be %x %lx", what, mode, nodes[0], want, want_nodes);
}

int main(int argc, char **argv)
{
	unsigned long node0 = 1;
	char *bound, *plain;

	test_init(argc, argv);
	bound = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	plain = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bound == MAP_FAILED || plain == MAP_FAILED)
		pfail("mmap");
	if (syscall(SYS_mbind, bound, LEN, MPOL_BIND | MPOL_F_STATIC_NODES, &node0, 64, 0) < 0 ||
	    syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &node0, 64) < 0)
		skip("no NUMA policies");
	pattern_fill(bound, LEN, 1);
	test_daemon();
	test_waitsig();
	check("bound area", bound, MPOL_BIND | MPOL_F_STATIC_NODES, 1);
	check("task", NULL, MPOL_INTERLEAVE, 1);
	check("plain area", plain, MPOL_DEFAULT, 0);
	if (pattern_check(bound, LEN, 1) >= 0)
		fail("contents differ");
	pass();
}
