/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared anonymous memory stays shared between parent and child, with its contents, also where one
 * of them has only a piece of it mapped, and pages nobody has mapped any more.
 */
#include "zdtm.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define LEN (512 * P)

int main(int argc, char **argv)
{
	volatile char *flag;
	char *mem, *piece;
	int go[2], status;
	pid_t pid;
	char c;

	test_init(argc, argv);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	piece = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || piece == MAP_FAILED || pipe(go))
		pfail("setup");
	pattern_fill(mem, LEN, 1);
	memset(mem, 0, P);
	pattern_fill(piece, LEN, 2);
	flag = mem;
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (!pid) {
		munmap(piece, 100 * P); /* what is left begins inside the segment */
		munmap(mem + 256 * P, LEN - 256 * P);
		flag[1] = 1;
		if (read(go[0], &c, 1) != 1)
			fail("child: pipe");
		if (flag[0] != 42)
			fail("child: does not see what the parent writes");
		flag[2] = 43;
		piece[300 * P] = 77;
		_exit(0);
	}
	while (!flag[1])
		usleep(1000);
	munmap(piece, 50 * P);
	test_daemon();
	test_waitsig();
	for (unsigned long i = 3; i < P; i++)
		if (mem[i])
			fail("zeroed page has contents");
	flag[0] = 42;
	if (write(go[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		fail("child: status %x", status);
	if (flag[2] != 43 || piece[300 * P] != 77)
		fail("the parent does not see what the child writes");
	piece[300 * P] = 0;
	pass();
}
