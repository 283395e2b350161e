/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside ns/: what the files of the IPC namespace share. */
#pragma once

#include <sys/ipc.h>

#include "ns/kinds.h"

struct ipc_visit {
	struct image *img;
	uint32_t ns_id;
	IpcNsEntry *msg;
};

/* Each stands in the namespace (ns_visit). */
int ipc_sysctl_dump(struct ipc_visit *v);
int ipc_sysctl_restore(const struct ipc_visit *v);
int ipc_shm_dump(struct ipc_visit *v);
int ipc_shm_restore(const struct ipc_visit *v);
int ipc_shm_finish(const struct ipc_visit *v);
int ipc_sem_dump(struct ipc_visit *v);
int ipc_sem_restore(const struct ipc_visit *v);
int ipc_msg_dump(struct ipc_visit *v);
int ipc_msg_restore(const struct ipc_visit *v);
int mqueue_restore(const struct ipc_visit *v);
/* This one stands outside. */
int mqueue_dump(struct dump *d, const struct ns *ns, struct ipc_visit *v);

/* semadj.c: by the hands of the tasks. */
int semadj_dump(struct dump *d, const struct ns *ns, IpcNsEntry *msg);
int semadj_check(const struct restore *r, const NsEntry *msg);
int semadj_restore(struct restore *r, const IpcNsEntry *msg);

int ipc_shm_check(const IpcShmEntry *msg);
int ipc_sem_check(const IpcSemEntry *msg);
int ipc_msg_check(const IpcMsgEntry *msg);
int mqueue_check(const MqueueEntry *msg);

/* Lines of /proc/sysvipc/@name after the heading: the first @n numbers of each; malloc()ed rows. */
int ipc_parse(char *text, size_t n, int64_t **ret, size_t *ret_rows);
int ipc_list(const char *name, size_t n, int64_t **ret, size_t *ret_rows);
/* NULL when out of memory. */
IpcPermEntry *ipc_perm_new(int id, const struct ipc_perm *p);
int ipc_perm_check(const IpcPermEntry *msg);
void ipc_perm_fill(const IpcPermEntry *msg, struct ipc_perm *ret);
/* This thread acts as another user until ipc_after(). */
int ipc_be(uint32_t uid, uint32_t gid);
/*
 * The next object of @what ("shm", "sem", "msg") gets the id and the creator of @msg: this thread
 * takes on its user until ipc_after().
 */
int ipc_before(const char *what, const IpcPermEntry *msg);
void ipc_after(void);
/* @name below /proc/sys. */
int ipc_write_sysctl(const char *name, const char *value);
