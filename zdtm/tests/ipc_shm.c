/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/*
 * System V shared memory: ids that are not the first, keys, modes, contents, sharing with a child, and a
 * segment that was removed while attached.
 */
#include "zdtm.h"

#include <signal.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (300000)
#define FAR (8 << 20)

static int segment(key_t key, size_t size, int mode, char **ret)
{
	int id = shmget(key, size, IPC_CREAT | IPC_EXCL | mode);

	if (id < 0)
		pfail("shmget");
	*ret = shmat(id, NULL, 0);
	if (*ret == (void *)-1)
		pfail("shmat");
	return id;
}

int main(int argc, char **argv)
{
	char *shared, *gone, *sparse, *again;
	int first, id, sid, gid;
	struct shmid_ds ds;
	pid_t child;

	test_init(argc, argv);
	first = segment(0x5001, 4096, 0600, &shared);
	if (shmdt(shared) || shmctl(first, IPC_RMID, NULL))
		pfail("remove");
	id = segment(0x5002, SIZE, 0641, &shared);
	sid = segment(0x5003, FAR + 4096, 0600, &sparse);
	gid = segment(IPC_PRIVATE, 4096, 0600, &gone);
	pattern_fill(shared, SIZE, 1);
	pattern_fill(gone, 4096, 2);
	strcpy(sparse + FAR, "far");
	if (shmdt(sparse) || shmctl(gid, IPC_RMID, NULL))
		pfail("detach");
	child = fork();
	if (child < 0)
		pfail("fork");
	if (!child) {
		while (shared[0] != 77)
			usleep(1000);
		shared[1] = 78;
		_exit(pattern_check(gone, 4096, 2) < 0 ? 0 : 1);
	}
	test_daemon();
	test_waitsig();
	if (pattern_check(shared, SIZE, 1) >= 0)
		fail("contents");
	if (shmget(0x5002, 0, 0) != id || shmget(0x5003, 0, 0) != sid)
		fail("ids have changed");
	if (shmctl(id, IPC_STAT, &ds) || (ds.shm_perm.mode & 0777) != 0641 || ds.shm_segsz != SIZE ||
	    ds.shm_nattch != 2)
		fail("mode %o, size %zu, attached %lu", ds.shm_perm.mode, ds.shm_segsz, ds.shm_nattch);
	if (shmctl(gid, IPC_STAT, &ds) || !(ds.shm_perm.mode & SHM_DEST))
		fail("the removed segment is gone or was kept");
	again = shmat(sid, NULL, SHM_RDONLY);
	if (again == (void *)-1 || strcmp(again + FAR, "far"))
		fail("the detached segment");
	shared[0] = 77;
	wait_child(child);
	if (shared[1] != 78)
		fail("it is not shared any more");
	if (shmdt(gone) || shmctl(gid, IPC_STAT, &ds) == 0)
		fail("the removed segment outlives its last user");
	shmctl(id, IPC_RMID, NULL);
	shmctl(sid, IPC_RMID, NULL);
	pass();
}
