/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * POSIX message queues, mq_overview(7): names, attributes, messages. Open descriptors of them are a kind
 * of file.
 *
 * The kernel has no way to look at a message without taking it. So a hand takes all messages and puts
 * them back in one batch, which is completed even if we are killed meanwhile. Refused: more messages
 * than one batch can hold, and a queue somebody waits on by mq_notify(3).
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "ns/ipc.h"

#define MESSAGES_MAX (SLOT_CALLS / 3 - 1)

/* The mqueue file system of the namespace we stand in, as a directory. */
static int mqueue_mount(void *arg)
{
	_cleanup_close_ int fs = syscall(SYS_fsopen, "mqueue", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd_high(fd);
}

int ns_mqueue_fs(int ipc_ns_fd)
{
	return ipc_ns_fd < 0 ? mqueue_mount(NULL) : ns_visit(ipc_ns_fd, mqueue_mount, NULL);
}

/* Where things lie in the hand: @n slots of text, then @n priorities, at @base. */
struct drain {
	struct remote *hand;
	int fd; /* the queue in the hand */
	size_t n, msgsize, bytes;
	uint64_t base;
};

static uint64_t text_at(const struct drain *q, size_t i)
{
	return q->base + i * q->msgsize;
}

static uint64_t prio_at(const struct drain *q, size_t i)
{
	return q->base + q->n * q->msgsize + i * 4;
}

/* Take all and put all back in one batch; the lengths and how many were put back. */
static int take_and_return(struct drain *q, ssize_t *lens)
{
	struct remote_call *take[MESSAGES_MAX], *give[MESSAGES_MAX];
	struct remote *h = q->hand;
	int err;

	for (size_t i = 0; i < q->n; i++)
		take[i] = remote_try(h, SYS_mq_timedreceive, q->fd, text_at(q, i), q->msgsize, prio_at(q, i),
				     0);
	for (size_t i = 0; i < q->n; i++) {
		struct remote_call *copy = remote_try(h, OP_COPY, 0, prio_at(q, i), 4);

		give[i] = remote_try(h, SYS_mq_timedsend, q->fd, text_at(q, i), 0, 0, 0);
		remote_ref(h, give[i], 2, take[i]);
		copy->args[0] = remote_addr(h, &give[i]->args[3]);
	}
	err = remote_run(h);
	for (size_t i = 0; i < q->n && !err; i++) {
		lens[i] = take[i]->ret;
		if (take[i]->ret < 0 || give[i]->ret < 0)
			err = take[i]->ret < 0 ? (int)take[i]->ret : (int)give[i]->ret;
	}
	return err;
}

static int add_message(struct drain *q, size_t i, size_t len, MqueueEntry *e)
{
	MqueueMessageEntry *x = malloc(sizeof(*x));
	int err;

	if (!x || pb_append(&e->messages, &e->n_messages, x) < 0) {
		free(x);
		return -ENOMEM;
	}
	mqueue_message_entry__init(x);
	x->text.data = malloc(len ? len : 1);
	if (!x->text.data)
		return -ENOMEM;
	x->text.len = len;
	err = remote_read(q->hand, prio_at(q, i), &x->priority, 4);
	return err < 0 || !len ? err : remote_read(q->hand, text_at(q, i), x->text.data, len);
}

static int drain(struct drain *q, MqueueEntry *e)
{
	ssize_t lens[MESSAGES_MAX];
	long base = remote_syscall(q->hand, SYS_mmap, 0, q->bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (base < 0 && base > -4096)
		return (int)base;
	q->base = (uint64_t)base;
	err = take_and_return(q, lens);
	for (size_t i = 0; i < q->n && !err; i++)
		err = add_message(q, i, (size_t)lens[i], e);
	(void)remote_syscall(q->hand, SYS_munmap, q->base, q->bytes);
	return err;
}

static int dump_messages(struct remote *hand, int fd, size_t n, MqueueEntry *e)
{
	struct drain q = { .hand = hand, .n = n, .msgsize = e->msgsize };
	int err;

	if (n > MESSAGES_MAX) {
		log_error("queue /%s: %zu messages, only %zu can be dumped; let it drain first", e->name, n,
			  (size_t)MESSAGES_MAX);
		return -EOPNOTSUPP;
	}
	q.bytes = ALIGN_UP(n * (q.msgsize + 4), 4096UL);
	err = remote_give_fds(hand, &fd, 1, &q.fd);
	if (err < 0)
		return err;
	err = drain(&q, e);
	(void)remote_syscall(hand, SYS_close, q.fd);
	return err;
}

static int check_notify(int dir, const char *name)
{
	_cleanup_free_ char *text = NULL;
	const char *p;
	int err = read_text_at(dir, name, &text);

	if (err < 0)
		return err;
	p = strstr(text, "NOTIFY_PID:");
	if (p && strtol(p + strlen("NOTIFY_PID:"), NULL, 10)) {
		log_error("queue /%s: somebody waits for a message by mq_notify, which cannot be dumped; "
			  "stop it",
			  name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int dump_queue(struct remote *hand, int dir, const char *name, MqueueEntry *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct mq_attr attr;
	struct stat st;

	e->name = strdup(name);
	if (!e->name)
		return -ENOMEM;
	if (fd < 0 || fstat(fd, &st) < 0 || mq_getattr(fd, &attr) < 0)
		return -errno;
	e->uid = st.st_uid;
	e->gid = st.st_gid;
	e->mode = st.st_mode & 0777;
	e->maxmsg = attr.mq_maxmsg;
	e->msgsize = attr.mq_msgsize;
	return attr.mq_curmsgs ? dump_messages(hand, fd, attr.mq_curmsgs, e) : 0;
}

static int dump_one(struct remote *hand, int dir, const char *name, struct ipc_visit *v)
{
	MqueueEntry *e;
	int err = check_notify(dir, name);

	if (err < 0)
		return err;
	e = malloc(sizeof(*e));
	if (!e || pb_append(&v->msg->mqueues, &v->msg->n_mqueues, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	mqueue_entry__init(e);
	e->name = NULL;
	err = dump_queue(hand, dir, name, e);
	return err < 0 ? log_errno(err, "queue /%s", name) : 0;
}

int mqueue_dump(struct dump *d, const struct ns *ns, struct ipc_visit *v)
{
	struct task *t = ns_any_task(d, ns);
	_cleanup_close_ int fd = ns_mqueue_fs(ns->fd);
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *de;
	int err = 0;

	if (fd < 0)
		return fd == -ENODEV ? 0 : log_errno(fd, "mqueue file system");
	dir = dir_open_at(fd, ".");
	while (dir && !err && (de = readdir(dir))) {
		if (de->d_type != DT_REG)
			continue;
		err = t ? dump_one(t->hand, fd, de->d_name, v) : -ESRCH;
	}
	return dir ? err : -ENOMEM;
}

int mqueue_check(const MqueueEntry *msg)
{
	if (!*msg->name || strlen(msg->name) > 255 || strchr(msg->name, '/') || msg->mode & ~0777U ||
	    msg->maxmsg > 1 << 20 || msg->msgsize > 1 << 24 || msg->n_messages > msg->maxmsg)
		return -EBADMSG;
	for (size_t i = 0; i < msg->n_messages; i++)
		if (msg->messages[i]->text.len > msg->msgsize || msg->messages[i]->priority > 32767)
			return -EBADMSG;
	return 0;
}

/* Only while we make it: the sysctls of the image are written again afterwards. */
static int raise_limit(const char *name, uint64_t value)
{
	_cleanup_free_ char *now = NULL;
	char path[64], text[32];
	int err;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	err = read_text_at(AT_FDCWD, path, &now);
	if (err < 0 || strtoull(now, NULL, 10) >= value)
		return err;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return ipc_write_sysctl(path + strlen("/proc/sys/"), text);
}

static int fill_queue(int fd, const MqueueEntry *e)
{
	if (fchown(fd, e->uid, e->gid) < 0 || fchmod(fd, e->mode) < 0)
		return -errno;
	for (size_t i = 0; i < e->n_messages; i++) {
		const MqueueMessageEntry *m = e->messages[i];

		if (mq_send(fd, m->text.len ? (const char *)m->text.data : "", m->text.len, m->priority) < 0)
			return -errno;
	}
	return 0;
}

static int restore_one(const MqueueEntry *e)
{
	struct mq_attr attr = { .mq_maxmsg = (long)e->maxmsg, .mq_msgsize = (long)e->msgsize };
	_cleanup_close_ int fd = -1;
	int err = raise_limit("msg_max", e->maxmsg);

	if (!err)
		err = raise_limit("msgsize_max", e->msgsize);
	if (err < 0)
		return err;
	/* its user namespace need not know us, and the bytes count for the owner */
	err = ipc_be(e->uid, e->gid);
	if (err < 0)
		return err;
	fd = syscall(SYS_mq_open, e->name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK | O_CLOEXEC, e->mode,
		     &attr);
	err = fd < 0 ? -errno : 0;
	ipc_after();
	return err < 0 ? err : fill_queue(fd, e);
}

int mqueue_restore(const struct ipc_visit *v)
{
	for (size_t i = 0; i < v->msg->n_mqueues; i++) {
		const MqueueEntry *e = v->msg->mqueues[i];
		int err = restore_one(e);

		if (err < 0)
			return log_errno(err, "queue /%s (%llu messages of %llu bytes)", e->name,
					 (unsigned long long)e->maxmsg, (unsigned long long)e->msgsize);
	}
	return 0;
}
