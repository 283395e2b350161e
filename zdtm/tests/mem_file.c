/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mapped files: a private mapping keeps the pages it has changed and shows the file in the others, a
 * shared one writes to the file.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define P 4096UL
#define PAGES 64

int main(int argc, char **argv)
{
	char *priv, *shared, *ro, buf[PAGES * P];
	int fd;

	test_init(argc, argv);
	fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	pattern_fill(buf, sizeof(buf), 1);
	if (fd < 0 || write(fd, buf, sizeof(buf)) != sizeof(buf))
		pfail("data");
	priv = mmap(NULL, PAGES * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared = mmap(NULL, 10 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 20 * P);
	close(fd);
	fd = open("data", O_RDONLY);
	ro = mmap(NULL, PAGES * P, PROT_READ, MAP_SHARED, fd, 0);
	if (priv == MAP_FAILED || shared == MAP_FAILED || ro == MAP_FAILED)
		pfail("mmap");
	memset(priv + 5 * P, 5, P);
	memset(priv + 60 * P, 6, P);
	if (mprotect(priv + 60 * P, P, PROT_READ) < 0)
		pfail("mprotect");
	shared[0] = 11;
	test_daemon();
	test_waitsig();
	for (unsigned long i = 0; i < P; i++)
		if (priv[5 * P + i] != 5 || priv[60 * P + i] != 6)
			fail("a changed page of the private mapping has other contents");
	if (memcmp(priv, buf, 5 * P) != 0 || memcmp(priv + 6 * P, buf + 6 * P, 14 * P) != 0)
		fail("an unchanged page of the private mapping is not the file's");
	if (ro[20 * P] != 11 || priv[20 * P] != 11)
		fail("what was written through the shared mapping is not in the file");
	shared[1] = 12;
	if (ro[20 * P + 1] != 12 || priv[20 * P + 1] != 12)
		fail("the mappings do not show one file");
	if (pread(fd, buf, 2, 20 * P) != 2 || buf[1] != 12)
		fail("the file does not have what was written");
	if (mprotect(ro, P, PROT_READ | PROT_WRITE) == 0)
		fail("a read-only opened file can be written now");
	pass();
}
