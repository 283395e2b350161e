/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memfd: contents with holes, seals, name, shared between descriptions, a mapping and a child. */
#include "zdtm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (8L << 20)

int main(int argc, char **argv)
{
	int fd, ro, sealed, status;
	char path[64], link[64] = "", *map, c;
	struct stat st;
	pid_t child;

	test_init(argc, argv);
	fd = memfd_create("zdtm shared", MFD_CLOEXEC);
	sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, SIZE) < 0 || sealed < 0 || write(sealed, "fixed", 5) != 5)
		pfail("memfd");
	if (fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		pfail("seals");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ro < 0 || map == MAP_FAILED)
		pfail("map");
	strcpy(map + SIZE / 2, "middle");
	child = fork();
	if (child == 0) {
		test_waitsig();
		while (map[0] != 'g')
			usleep(1000);
		map[1] = 'o';
		_exit(strcmp(map + SIZE / 2, "middle"));
	}
	test_daemon();
	test_waitsig();
	kill(child, SIGTERM);
	if (pwrite(fd, "g", 1, 0) != 1 || waitpid(child, &status, 0) != child || status)
		fail("child");
	if (map[0] != 'g' || pread(ro, &c, 1, 1) != 1 || c != 'o' || strcmp(map + SIZE / 2, "middle"))
		fail("not one memory");
	if (fstat(fd, &st) < 0 || st.st_size != SIZE || st.st_blocks * 512 > SIZE / 2)
		fail("size %ld, %ld blocks", (long)st.st_size, (long)st.st_blocks);
	if (readlink(path, link, sizeof(link) - 1) < 0 || strcmp(link, "/memfd:zdtm shared (deleted)"))
		fail("name %s", link);
	if (fcntl(sealed, F_GET_SEALS) != (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) ||
	    write(sealed, "x", 1) >= 0)
		fail("seals %x", fcntl(sealed, F_GET_SEALS));
	if (fcntl(fd, F_GET_SEALS) != F_SEAL_SEAL || write(ro, "x", 1) >= 0)
		fail("flags");
	pass();
}
