/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A removed System V segment of the host's IPC namespace would be gone with its last user: refused. */
/* modes: host */
/* refuse: was removed */
#include "zdtm.h"

#include <stddef.h>
#include <sys/ipc.h>
#include <sys/shm.h>

int main(int argc, char **argv)
{
	int id;

	test_init(argc, argv);
	id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	if (id < 0 || shmat(id, NULL, 0) == (void *)-1)
		pfail("shmget, shmat");
	shmctl(id, IPC_RMID, NULL);
	test_daemon();
	test_waitsig();
	pass();
}
