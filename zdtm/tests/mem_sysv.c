/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System V shared memory stays attached: whole, in part, read-only, after IPC_RMID, in parent and child.
 */
/* modes: ns userns running twice */
#include "zdtm.h"

#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096UL
#define LEN (20 * P)

static int segment(char **ret)
{
	int id = shmget(IPC_PRIVATE, LEN, IPC_CREAT | 0600);

	*ret = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (*ret == (void *)-1)
		pfail("shmget, shmat");
	return id;
}

static int attached(int id)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		pfail("segment %d", id);
	return (int)ds.shm_nattch;
}

int main(int argc, char **argv)
{
	char *whole, *part, *gone, *ro, c;
	int id, id_part, id_gone, go[2], status;
	pid_t pid;

	test_init(argc, argv);
	id = segment(&whole);
	id_part = segment(&part);
	id_gone = segment(&gone);
	ro = shmat(id, NULL, SHM_RDONLY);
	if (ro == (void *)-1 || pipe(go))
		pfail("setup");
	pattern_fill(whole, LEN, 1);
	pattern_fill(part, LEN, 2);
	pattern_fill(gone, LEN, 3);
	mprotect(part + 4 * P, 2 * P, PROT_READ);
	munmap(part, 2 * P);
	munmap(part + 10 * P, 3 * P);
	shmctl(id_gone, IPC_RMID, NULL);
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (!pid) {
		if (read(go[0], &c, 1) != 1 || whole[5] != 55)
			fail("child: does not see what the parent writes");
		whole[6] = 66;
		_exit(0);
	}
	test_daemon();
	test_waitsig();
	if (pattern_check(whole, LEN, 1) >= 0 || pattern_check(gone, LEN, 3) >= 0)
		fail("contents differ");
	if (memcmp(ro, whole, LEN) != 0)
		fail("the second attachment has other contents");
	if (attached(id) != 4 || attached(id_gone) != 2)
		fail("attached %d and %d times", attached(id), attached(id_gone));
	if (mprotect(ro, P, PROT_READ | PROT_WRITE) == 0)
		fail("the read-only attachment can be written");
	if (mprotect(part + 4 * P, 2 * P, PROT_READ | PROT_WRITE) != 0)
		fail("the attachment cannot be written any more");
	part[4 * P] = 1;
	if (mmap(part, 2 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != part)
		fail("what was unmapped is there again");
	whole[5] = 55;
	if (ro[5] != 55)
		fail("the attachments are not one segment");
	if (write(go[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid || status || whole[6] != 66)
		fail("child: status %x", status);
	shmctl(id, IPC_RMID, NULL);
	shmctl(id_part, IPC_RMID, NULL);
	pass();
}
