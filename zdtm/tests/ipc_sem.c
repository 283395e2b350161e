/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* System V semaphores: id, key, mode, values; what SEM_UNDO will undo; a child that waits in semop. */
#include "zdtm.h"

#include <signal.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 5

static void op(int id, int num, int by, int flags)
{
	struct sembuf b = { .sem_num = (unsigned short)num, .sem_op = (short)by, .sem_flg = (short)flags };

	if (semop(id, &b, 1))
		pfail("semop %d", by);
}

static void expect(int id, const unsigned short *want, const char *when)
{
	unsigned short now[N];

	if (semctl(id, 0, GETALL, now))
		pfail("GETALL");
	for (int i = 0; i < N; i++)
		if (now[i] != want[i])
			fail("%s: semaphore %d is %u, not %u", when, i, now[i], want[i]);
}

int main(int argc, char **argv)
{
	static const unsigned short start[N] = { 9, 0, 32767, 4, 0 }, held[N] = { 6, 8, 0, 4, 0 };
	int gone, id, status;
	pid_t holder, waiter;
	struct semid_ds ds;
	int ready[2];
	char c;

	test_init(argc, argv);
	gone = semget(0x6001, 1, IPC_CREAT | IPC_EXCL | 0600);
	id = semget(0x6002, N, IPC_CREAT | IPC_EXCL | 0624);
	if (gone < 0 || id < 0 || semctl(gone, 0, IPC_RMID) || semctl(id, 0, SETALL, start) || pipe(ready))
		pfail("semget");
	holder = fork();
	if (!holder) {
		op(id, 0, -3, SEM_UNDO);
		op(id, 1, 8, SEM_UNDO);
		op(id, 2, -32767, SEM_UNDO);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &c, 1) != 1)
		pfail("read");
	waiter = fork();
	if (!waiter) {
		op(id, 4, -1, 0);
		_exit(7);
	}
	test_daemon();
	test_waitsig();
	if (semget(0x6002, 0, 0) != id || semctl(id, 0, IPC_STAT, &ds) || (ds.sem_perm.mode & 0777) != 0624)
		fail("id or mode");
	expect(id, held, "restored");
	op(id, 4, 1, 0);
	if (waitpid(waiter, &status, 0) != waiter || status != 7 << 8)
		fail("waiter: status %x", status);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	expect(id, start, "undone");
	semctl(id, 0, IPC_RMID);
	pass();
}
