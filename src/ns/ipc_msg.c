/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System V message queues: messages are looked at, not taken, by msgrcv(2) with MSG_COPY. */
#include <stdio.h>
#include <sys/msg.h>

#include "base/log.h"
#include "ns/ipc.h"

#define MSG_TEXT_MAX (64 << 20)

static int add_message(IpcMsgEntry *e, const struct msgbuf *m, size_t len)
{
	IpcMessageEntry *x = malloc(sizeof(*x));

	if (!x || pb_append(&e->messages, &e->n_messages, x) < 0) {
		free(x);
		return -ENOMEM;
	}
	ipc_message_entry__init(x);
	x->type = m->mtype;
	x->text.data = malloc(len ? len : 1);
	if (!x->text.data)
		return -ENOMEM;
	memcpy(x->text.data, m->mtext, len);
	x->text.len = len;
	return 0;
}

static int dump_messages(int id, size_t n, size_t bytes, IpcMsgEntry *e)
{
	/* no message is longer than all together */
	_cleanup_free_ struct msgbuf *m = malloc(sizeof(*m) + bytes);
	int err = 0;

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		ssize_t len = msgrcv(id, m, bytes, (long)i, MSG_COPY | IPC_NOWAIT);

		err = len < 0 ? -errno : add_message(e, m, (size_t)len);
	}
	return err;
}

static int dump_one(struct ipc_visit *v, int id)
{
	struct msqid_ds ds;
	IpcMsgEntry *e;

	if (msgctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	e = malloc(sizeof(*e));
	if (!e || pb_append(&v->msg->msgs, &v->msg->n_msgs, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	ipc_msg_entry__init(e);
	e->perm = ipc_perm_new(id, &ds.msg_perm);
	if (!e->perm)
		return -ENOMEM;
	e->qbytes = ds.msg_qbytes;
	return dump_messages(id, ds.msg_qnum, ds.__msg_cbytes, e);
}

int ipc_msg_dump(struct ipc_visit *v)
{
	_cleanup_free_ int64_t *rows = NULL;
	size_t n;
	int err = ipc_list("msg", 2, &rows, &n);

	for (size_t i = 0; i < n && !err; i++) {
		err = dump_one(v, (int)rows[i * 2 + 1]);
		if (err < 0)
			log_errno(err, "message queue %d (key %#x)", (int)rows[i * 2 + 1],
				  (unsigned int)rows[i * 2]);
	}
	return err;
}

int ipc_msg_check(const IpcMsgEntry *msg)
{
	if (ipc_perm_check(msg->perm) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < msg->n_messages; i++)
		if (msg->messages[i]->type < 1 || msg->messages[i]->text.len > MSG_TEXT_MAX)
			return -EBADMSG;
	return 0;
}

/* What the queue must hold while it is filled: its limit may have been lowered since. */
static int raise_limits(const IpcMsgEntry *e)
{
	uint64_t sum = e->qbytes, longest = 0;
	char value[32];
	int err;

	for (size_t i = 0; i < e->n_messages; i++) {
		sum += e->messages[i]->text.len;
		longest = MAX(longest, e->messages[i]->text.len);
	}
	if (sum < 16384)
		sum = 16384;
	if (longest < 8192)
		longest = 8192;
	snprintf(value, sizeof(value), "%llu", (unsigned long long)sum);
	err = ipc_write_sysctl("kernel/msgmnb", value);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)longest);
	return err < 0 ? err : ipc_write_sysctl("kernel/msgmax", value);
}

static int send_messages(int id, const IpcMsgEntry *e)
{
	for (size_t i = 0; i < e->n_messages; i++) {
		const IpcMessageEntry *x = e->messages[i];
		_cleanup_free_ struct msgbuf *m = malloc(sizeof(*m) + x->text.len);

		if (!m)
			return -ENOMEM;
		m->mtype = x->type;
		if (x->text.len)
			memcpy(m->mtext, x->text.data, x->text.len);
		if (msgsnd(id, m, x->text.len, IPC_NOWAIT) < 0)
			return -errno;
	}
	return 0;
}

static int make_queue(const IpcMsgEntry *e)
{
	int id, err = ipc_before("msg", e->perm);

	id = err < 0 ? err : RET_NERRNO(msgget(e->perm->key, IPC_CREAT | IPC_EXCL | (int)e->perm->mode));
	ipc_after();
	if (id >= 0 && id != (int)e->perm->id) {
		msgctl(id, IPC_RMID, NULL);
		return -EEXIST;
	}
	return id < 0 ? id : 0;
}

static int restore_one(const IpcMsgEntry *e)
{
	struct msqid_ds ds = { .msg_qbytes = e->qbytes };
	int id = (int)e->perm->id, err = raise_limits(e);

	if (!err)
		err = make_queue(e);
	if (!err)
		err = send_messages(id, e);
	if (err < 0)
		return err;
	ipc_perm_fill(e->perm, &ds.msg_perm);
	return msgctl(id, IPC_SET, &ds) < 0 ? -errno : 0;
}

int ipc_msg_restore(const struct ipc_visit *v)
{
	for (size_t i = 0; i < v->msg->n_msgs; i++) {
		const IpcMsgEntry *e = v->msg->msgs[i];
		int err = restore_one(e);

		if (err < 0)
			return log_errno(err, "message queue %u (key %#x, %zu messages)", e->perm->id,
					 (unsigned int)e->perm->key, e->n_messages);
	}
	return 0;
}
