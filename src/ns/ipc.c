/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPC namespaces, ipc_namespaces(7): limits, System V shared memory, semaphores and message queues
 * with their ids and keys, POSIX message queues. A thread of ours stands in the namespace for it.
 *
 * Not shown or not settable by the kernel, and therefore new after a restore: times and pids of the
 * last operations.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "ns/ipc.h"

int pb_append(void *array, size_t *n, void *item)
{
	void ***arr = array;

	if (!GROW(*arr, *n))
		return -ENOMEM;
	(*arr)[(*n)++] = item;
	return 0;
}

static int parse_row(char *line, size_t n, int64_t *row)
{
	char *save = NULL, *word = strtok_r(line, " \t", &save);

	for (size_t i = 0; i < n; i++, word = strtok_r(NULL, " \t", &save)) {
		uint64_t big;

		if (!word)
			return -EINVAL;
		if (parse_i64(word, 10, &row[i]) == 0)
			continue;
		/* sizes may use all 64 bits */
		if (parse_u64(word, 10, &big) < 0)
			return -EINVAL;
		row[i] = (int64_t)big;
	}
	return 0;
}

int ipc_parse(char *text, size_t n, int64_t **ret, size_t *ret_rows)
{
	_cleanup_free_ int64_t *rows = NULL;
	size_t n_rows = 0;
	char *line = next_line(&text); /* the heading */

	while (line && (line = next_line(&text))) {
		int64_t *bigger;

		if (!*line)
			continue;
		bigger = reallocarray(rows, n_rows + 1, n * sizeof(*rows));
		if (!bigger)
			return -ENOMEM;
		rows = bigger;
		if (parse_row(line, n, rows + n_rows * n) < 0)
			return -EINVAL;
		n_rows++;
	}
	*ret = TAKE_PTR(rows);
	*ret_rows = n_rows;
	return 0;
}

int ipc_list(const char *name, size_t n, int64_t **ret, size_t *ret_rows)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/sysvipc/%s", name);
	err = read_text_at(AT_FDCWD, path, &text);
	return err < 0 ? err : ipc_parse(text, n, ret, ret_rows);
}

IpcPermEntry *ipc_perm_new(int id, const struct ipc_perm *p)
{
	IpcPermEntry *e = malloc(sizeof(*e));

	if (!e)
		return NULL;
	ipc_perm_entry__init(e);
	e->id = id;
	e->key = p->__key;
	e->uid = p->uid;
	e->gid = p->gid;
	e->cuid = p->cuid;
	e->cgid = p->cgid;
	e->mode = p->mode & 0777;
	return e;
}

int ipc_perm_check(const IpcPermEntry *msg)
{
	return msg->mode & ~0777U || msg->id > INT32_MAX ? -EBADMSG : 0;
}

void ipc_perm_fill(const IpcPermEntry *msg, struct ipc_perm *ret)
{
	ret->uid = msg->uid;
	ret->gid = msg->gid;
	ret->mode = msg->mode;
}

/* Per thread: glibc's wrappers would change every thread of ours. */
static int set_ids(uint32_t uid, uint32_t gid)
{
	if (!uid && !gid)
		return 0;
	if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0)
		return -errno;
	return 0;
}

int ipc_be(uint32_t uid, uint32_t gid)
{
	int err = set_ids(uid, gid);

	if (err < 0)
		ipc_after();
	return err;
}

/* The kernel lets the root of the owning user namespace write, who may be another user than we are. */
int ipc_write_sysctl(const char *name, const char *value)
{
	char path[128];
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (stat(path, &st) < 0)
		return -errno;
	err = ipc_be(st.st_uid, st.st_gid);
	if (err < 0)
		return err;
	err = write_text_at(AT_FDCWD, path, value);
	ipc_after();
	return err;
}

int ipc_before(const char *what, const IpcPermEntry *msg)
{
	char name[64], value[16];
	int err;

	snprintf(name, sizeof(name), "/proc/sys/kernel/%s_next_id", what);
	snprintf(value, sizeof(value), "%u", msg->id);
	/* anybody with CAP_CHECKPOINT_RESTORE over the namespace may write this one */
	err = write_text_at(AT_FDCWD, name, value);
	return err < 0 ? err : ipc_be(msg->cuid, msg->cgid);
}

void ipc_after(void)
{
	syscall(SYS_setresuid, -1, 0, -1);
	syscall(SYS_setresgid, -1, 0, -1);
}

static const char *const sysctls[] = {
	"kernel/shmmax",	"kernel/shmall",	 "kernel/shmmni",	  "kernel/shm_rmid_forced",
	"kernel/msgmax",	"kernel/msgmnb",	 "kernel/msgmni",	  "kernel/sem",
	"fs/mqueue/msg_max",	"fs/mqueue/msg_default", "fs/mqueue/msgsize_max", "fs/mqueue/msgsize_default",
	"fs/mqueue/queues_max",
};

static int read_sysctl(const char *name, char **ret)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	err = read_text_at(AT_FDCWD, path, ret);
	if (!err)
		(*ret)[strcspn(*ret, "\n")] = 0;
	return err;
}

int ipc_sysctl_dump(struct ipc_visit *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		SysctlEntry *e;
		char *value;
		int err = read_sysctl(sysctls[i], &value);

		if (err == -ENOENT)
			continue;
		if (err < 0)
			return log_errno(err, "/proc/sys/%s", sysctls[i]);
		e = malloc(sizeof(*e));
		if (!e || pb_append(&v->msg->sysctls, &v->msg->n_sysctls, e) < 0) {
			free(e);
			free(value);
			return log_oom();
		}
		sysctl_entry__init(e);
		e->value = value;
		e->name = strdup(sysctls[i]);
		if (!e->name)
			return log_oom();
	}
	return 0;
}

static bool known_sysctl(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++)
		if (streq(sysctls[i], name))
			return true;
	return false;
}

/* @late: the one that would remove segments nobody has attached yet. */
static int restore_sysctls(const struct ipc_visit *v, bool late)
{
	for (size_t i = 0; i < v->msg->n_sysctls; i++) {
		const SysctlEntry *e = v->msg->sysctls[i];
		_cleanup_free_ char *now = NULL;
		int err;

		if (streq(e->name, "kernel/shm_rmid_forced") != late)
			continue;
		err = read_sysctl(e->name, &now);
		if (!err && streq(now, e->value))
			continue;
		if (!err)
			err = ipc_write_sysctl(e->name, e->value);
		if (err < 0)
			return log_errno(err, "ipc namespace %u: sysctl %s = %s", v->ns_id, e->name,
					 e->value);
	}
	return 0;
}

int ipc_sysctl_restore(const struct ipc_visit *v)
{
	return restore_sysctls(v, false);
}

static int dump_in(void *arg)
{
	static int (*const steps[])(struct ipc_visit *) = { ipc_sysctl_dump, ipc_shm_dump, ipc_sem_dump,
							    ipc_msg_dump };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && !err; i++)
		err = steps[i](arg);
	return err;
}

static int ipc_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	struct ipc_visit v = { .img = d->img, .ns_id = ns->id };
	int err;

	v.msg = msg->ipc = malloc(sizeof(*msg->ipc));
	if (!v.msg)
		return log_oom();
	ipc_ns_entry__init(v.msg);
	err = ns_visit(ns->fd, dump_in, &v);
	if (!err)
		err = mqueue_dump(d, ns, &v);
	if (!err)
		err = semadj_dump(d, ns, v.msg);
	return err < 0 ? log_errno(err, "ipc namespace of pid %d", ns->task->pid) : 0;
}

static int restore_in(void *arg)
{
	static int (*const steps[])(const struct ipc_visit *) = {
		ipc_sysctl_restore, ipc_shm_restore,	ipc_sem_restore, ipc_msg_restore,
		mqueue_restore,	    ipc_sysctl_restore, /* again: the steps raise limits for a moment */
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && !err; i++)
		err = steps[i](arg);
	return err;
}

static int ipc_restore(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	struct ipc_visit v = { .img = r->img, .ns_id = msg->id, .msg = msg->ipc };
	int err = ns_visit_task(t->pid, NS_IPC, restore_in, &v);

	return err < 0 ? log_errno(err, "ipc namespace %u", msg->id) : 0;
}

static int finish_in(void *arg)
{
	int err = ipc_shm_finish(arg);

	return err < 0 ? err : restore_sysctls(arg, true);
}

static int ipc_finish(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	struct ipc_visit v = { .img = r->img, .ns_id = msg->id, .msg = msg->ipc };
	int err = ns_visit_task(t->pid, NS_IPC, finish_in, &v);

	if (!err)
		err = semadj_restore(r, v.msg);
	return err < 0 ? log_errno(err, "ipc namespace %u", msg->id) : 0;
}

static int ipc_check(const struct restore *r, const NsEntry *msg)
{
	const IpcNsEntry *e = msg->ipc;
	int err = e ? 0 : -EBADMSG;

	for (size_t i = 0; e && i < e->n_sysctls && !err; i++)
		err = known_sysctl(e->sysctls[i]->name) ? 0 : -EBADMSG;
	for (size_t i = 0; e && i < e->n_shms && !err; i++)
		err = ipc_shm_check(e->shms[i]);
	for (size_t i = 0; e && i < e->n_sems && !err; i++)
		err = ipc_sem_check(e->sems[i]);
	for (size_t i = 0; e && i < e->n_msgs && !err; i++)
		err = ipc_msg_check(e->msgs[i]);
	for (size_t i = 0; e && i < e->n_mqueues && !err; i++)
		err = mqueue_check(e->mqueues[i]);
	return err < 0 ? err : semadj_check(r, msg);
}

const struct ns_ops ns_ipc_ops = {
	.dump = ipc_dump,
	.check = ipc_check,
	.restore = ipc_restore,
	.finish = ipc_finish,
};
