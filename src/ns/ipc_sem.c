/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System V semaphores: sets with their values, semctl(2). The pid of the last operation becomes ours. */
#include <sys/sem.h>

#include "base/log.h"
#include "ns/ipc.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static int dump_values(int id, IpcSemEntry *e)
{
	_cleanup_free_ unsigned short *now = calloc(e->n_values, sizeof(*now));

	if (!now)
		return -ENOMEM;
	if (semctl(id, 0, GETALL, (union semun){ .array = now }) < 0)
		return -errno;
	for (size_t i = 0; i < e->n_values; i++)
		e->values[i] = now[i];
	return 0;
}

static int dump_one(struct ipc_visit *v, int id)
{
	struct semid_ds ds;
	IpcSemEntry *e;

	if (semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }) < 0)
		return -errno;
	e = malloc(sizeof(*e));
	if (!e || pb_append(&v->msg->sems, &v->msg->n_sems, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	ipc_sem_entry__init(e);
	e->perm = ipc_perm_new(id, &ds.sem_perm);
	e->values = calloc(ds.sem_nsems, sizeof(*e->values));
	if (!e->perm || !e->values)
		return -ENOMEM;
	e->n_values = ds.sem_nsems;
	return dump_values(id, e);
}

int ipc_sem_dump(struct ipc_visit *v)
{
	_cleanup_free_ int64_t *rows = NULL;
	size_t n;
	int err = ipc_list("sem", 2, &rows, &n);

	for (size_t i = 0; i < n && !err; i++) {
		err = dump_one(v, (int)rows[i * 2 + 1]);
		if (err < 0)
			log_errno(err, "semaphore set %d (key %#x)", (int)rows[i * 2 + 1],
				  (unsigned int)rows[i * 2]);
	}
	return err;
}

int ipc_sem_check(const IpcSemEntry *msg)
{
	if (ipc_perm_check(msg->perm) < 0 || !msg->n_values || msg->n_values > 1 << 20)
		return -EBADMSG;
	for (size_t i = 0; i < msg->n_values; i++)
		if (msg->values[i] > 32767)
			return -EBADMSG;
	return 0;
}

static int make_set(const IpcSemEntry *e)
{
	int id, err = ipc_before("sem", e->perm);

	id = err < 0 ? err
		     : RET_NERRNO(semget(e->perm->key, (int)e->n_values,
					 IPC_CREAT | IPC_EXCL | (int)e->perm->mode));
	ipc_after();
	if (id >= 0 && id != (int)e->perm->id) {
		semctl(id, 0, IPC_RMID);
		return -EEXIST;
	}
	return id < 0 ? id : 0;
}

static int restore_one(const IpcSemEntry *e)
{
	_cleanup_free_ unsigned short *values = calloc(e->n_values, sizeof(*values));
	int id = (int)e->perm->id, err;
	struct semid_ds ds = { 0 };

	if (!values)
		return -ENOMEM;
	err = make_set(e);
	if (err < 0)
		return err;
	for (size_t i = 0; i < e->n_values; i++)
		values[i] = (unsigned short)e->values[i];
	if (semctl(id, 0, SETALL, (union semun){ .array = values }) < 0)
		return -errno;
	ipc_perm_fill(e->perm, &ds.sem_perm);
	return semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }) < 0 ? -errno : 0;
}

int ipc_sem_restore(const struct ipc_visit *v)
{
	for (size_t i = 0; i < v->msg->n_sems; i++) {
		const IpcSemEntry *e = v->msg->sems[i];
		int err = restore_one(e);

		if (err < 0)
			return log_errno(err, "semaphore set %u (key %#x, %zu semaphores)", e->perm->id,
					 (unsigned int)e->perm->key, e->n_values);
	}
	return 0;
}
