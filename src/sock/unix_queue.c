/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queued messages of unix sockets: bytes, boundaries, descriptors in flight, credentials, senders.
 *
 * They are sent again by the coordinator, through the peer's descriptor, or through a feeder that
 * unix_restore.c has connected to the receiver (sock_rec.fd).
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "file/file.h"
#include "sock/unix.h"

#define ROOMY (16 << 20)
#define MAX_RIGHTS 253

struct queue_dump {
	struct dump *d;
	const struct file_desc *f;
	UnixEntry *u;
};

/* A descriptor in flight is a description like any other. */
static int dump_right(struct queue_dump *q, int fd, UnixMsgEntry *m)
{
	_cleanup_free_ char *link = NULL;
	char path[64];
	uint32_t id;
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = readlink_at(AT_FDCWD, path, &link);
	if (err < 0) {
		close(fd);
		return err;
	}
	err = files_add(q->d, q->f->task, fd, link, &id);
	if (err < 0)
		return err;
	m->file_ids[m->n_file_ids++] = id;
	return 0;
}

static int dump_rights(struct queue_dump *q, struct cmsghdr *c, UnixMsgEntry *m)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int *fds = (int *)CMSG_DATA(c), err = 0;

	m->file_ids = calloc(n + 1, sizeof(*m->file_ids));
	if (!m->file_ids)
		return -ENOMEM;
	for (size_t i = 0; i < n && err == 0; i++) {
		err = dump_right(q, fds[i], m);
		fds[i] = -1;
	}
	return err;
}

static int dump_sender(struct queue_dump *q, const struct cmsghdr *c, UnixMsgEntry *m)
{
	struct ucred cred;

	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	if (!cred.pid)
		return 0;
	m->creds = malloc(sizeof(*m->creds));
	if (!m->creds)
		return -ENOMEM;
	unix_creds_entry__init(m->creds);
	m->creds->task_id = sk_task_id(q->d, cred.pid);
	m->creds->uid = sk_id_inside(q->d, "uid_map", cred.uid);
	m->creds->gid = sk_id_inside(q->d, "gid_map", cred.gid);
	return 0;
}

static int dump_from(struct msghdr *h, UnixMsgEntry *m)
{
	const struct sockaddr_un *a = h->msg_name;
	size_t len;

	if (h->msg_namelen <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	len = unix_name_len(a->sun_path, h->msg_namelen - offsetof(struct sockaddr_un, sun_path));
	m->has_from = len > 0;
	return len ? sk_set_bytes(&m->from, a->sun_path, len) : 0;
}

static int dump_message(void *arg, struct msghdr *h, size_t len)
{
	struct queue_dump *q = arg;
	UnixMsgEntry *m = malloc(sizeof(*m));
	int err = 0;

	if (!m || !GROW(q->u->queue, q->u->n_queue)) {
		free(m);
		return -ENOMEM;
	}
	unix_msg_entry__init(m);
	q->u->queue[q->u->n_queue++] = m;
	if (sk_set_bytes(&m->data, h->msg_iov->iov_base, len) < 0)
		return -ENOMEM;
	if (h->msg_flags & MSG_CTRUNC)
		return -E2BIG;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c && err == 0; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS)
			err = dump_rights(q, c, m);
		else if (c->cmsg_type == SCM_CREDENTIALS)
			err = dump_sender(q, c, m);
	}
	return err < 0 ? err : dump_from(h, m);
}

/* Queues are read once, with what is in flight in them; kept in d->socks until the dump's turn. */
int unix_collect(struct dump *d, const struct file_desc *f)
{
	UnixEntry *u = malloc(sizeof(*u));
	struct queue_dump q = { d, f, u };
	int err;

	if (!u || !sk_table(d)) {
		free(u);
		return log_oom();
	}
	unix_entry__init(u);
	err = map_put(&d->socks->queues, f->id, u);
	if (err < 0) {
		free(u);
		return log_oom();
	}
	if (sk_int(f->fd, SOL_SOCKET, SO_ACCEPTCONN) > 0)
		return 0;
	err = sk_queue_walk(f->fd, sk_int(f->fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM, dump_message, &q);
	return err < 0 ? log_errno(err, "%s: queued messages", file_desc_name(f)) : 0;
}

void unix_collect_done(struct sock_table *t)
{
	for (size_t i = 0; i < t->queues.cap; i++)
		if (t->queues.slots[i].val)
			unix_entry__free_unpacked(t->queues.slots[i].val, NULL);
	map_done(&t->queues);
}

int unix_queue_dump(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	UnixEntry *kept = map_get(&sk_table(d)->queues, f->id);

	if (!kept)
		return -ENOENT;
	u->queue = TAKE_PTR(kept->queue);
	u->n_queue = kept->n_queue;
	kept->n_queue = 0;
	if (u->n_queue && u->peer == UNIX_ENTRY__PEER__EXTERNAL && u->sock->type != SOCK_DGRAM) {
		log_error("%s: has unread data from outside; try again", file_desc_name(f));
		return -EAGAIN;
	}
	return 0;
}

struct fill {
	struct restore *r;
	const FileEntry *file;
	const UnixEntry *u;
	struct sockaddr_un to; /* for a sender that is not connected to us */
	socklen_t to_len;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MAX_RIGHTS * sizeof(int)) +
					      CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr msg;
};

uint32_t unix_find_name(const struct restore *r, const SockEntry *like, const ProtobufCBinaryData *name)
{
	const FileEntry *e;

	for (uint32_t id = 1; (e = files_entry(r, id)); id++) {
		const UnixEntry *u = e->kind_case == FILE_ENTRY__KIND_UNIX_SOCK ? e->unix_sock : NULL;

		if (u && u->has_name && u->sock->net_ns_id == like->net_ns_id &&
		    u->sock->type == like->type && u->name.len == name->len &&
		    memcmp(u->name.data, name->data, name->len) == 0)
			return id;
	}
	return 0;
}

static int feeder_fd(const struct sock_rec *rec, const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < rec->n_senders; i++)
		if (rec->senders[i].name->len == name->len &&
		    memcmp(rec->senders[i].name->data, name->data, name->len) == 0)
			return rec->senders[i].fd;
	return -EBADMSG;
}

/* The descriptor to send @m through; addressed when it is not connected to the receiver. */
static int sender_fd(struct fill *f, const UnixMsgEntry *m, bool *ret_addressed)
{
	const struct sock_rec *rec = sk_rec(f->r, f->file->id);
	const UnixEntry *u = f->u;
	uint32_t from;

	*ret_addressed = false;
	if (u->peer == UNIX_ENTRY__PEER__INSIDE && (u->pair || u->sock->type != SOCK_DGRAM))
		return files_get(f->r, u->peer_id);
	if (u->sock->type != SOCK_DGRAM || u->peer == UNIX_ENTRY__PEER__CLOSED || !m->has_from)
		return rec->fd;
	from = unix_find_name(f->r, u->sock, &m->from);
	if (!from)
		return feeder_fd(rec, &m->from);
	*ret_addressed = true;
	return files_get(f->r, from);
}

static void *put_control(struct fill *f, int type, size_t len)
{
	struct cmsghdr *c = (void *)(f->control + f->msg.msg_controllen);

	f->msg.msg_control = f->control;
	f->msg.msg_controllen += CMSG_SPACE(len);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	return CMSG_DATA(c);
}

static int put_rights(struct fill *f, const UnixMsgEntry *m)
{
	int fds[MAX_RIGHTS];

	if (!m->n_file_ids)
		return 0;
	if (m->n_file_ids > MAX_RIGHTS)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_file_ids; i++) {
		fds[i] = files_get(f->r, m->file_ids[i]);
		if (fds[i] < 0)
			return fds[i];
	}
	memcpy(put_control(f, SCM_RIGHTS, m->n_file_ids * sizeof(int)), fds, m->n_file_ids * sizeof(int));
	return 0;
}

/* The sender's ids as we see them; a process that is gone cannot be named: it is ourselves then. */
static int put_creds(struct fill *f, const UnixMsgEntry *m)
{
	struct ucred cred = { .pid = getpid() };

	if (!m->creds)
		return 0;
	if (m->creds->task_id > f->r->n_tasks)
		return -EBADMSG;
	if (m->creds->task_id)
		cred.pid = f->r->tasks[m->creds->task_id - 1].pid;
	cred.uid = sk_id_outside(f->r, "uid_map", m->creds->uid);
	cred.gid = sk_id_outside(f->r, "gid_map", m->creds->gid);
	memcpy(put_control(f, SCM_CREDENTIALS, sizeof(cred)), &cred, sizeof(cred));
	return 0;
}

/* A stream takes a long message in pieces; the control data goes with the first. */
static int send_all(struct fill *f, int fd, const UnixMsgEntry *m)
{
	size_t done = 0;

	do {
		struct iovec iov = { m->data.data + done, m->data.len - done };
		struct msghdr msg = f->msg;
		ssize_t n;

		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		f->msg.msg_control = NULL;
		f->msg.msg_controllen = 0;
		done += n;
	} while (done < m->data.len);
	return 0;
}

/* Messages of any size go at once when the sender's buffer is roomy. */
static int fill_message(struct fill *f, const UnixMsgEntry *m)
{
	bool addressed;
	int fd = sender_fd(f, m, &addressed), roomy = ROOMY, size, lock, err;

	if (fd < 0)
		return fd;
	memset(f->control, 0, sizeof(f->control));
	f->msg = (struct msghdr){ 0 };
	if (addressed) {
		f->msg.msg_name = &f->to;
		f->msg.msg_namelen = f->to_len;
	}
	err = put_rights(f, m);
	if (err == 0)
		err = put_creds(f, m);
	if (err < 0)
		return err;
	size = sk_int(fd, SOL_SOCKET, SO_SNDBUF) / 2;
	lock = sk_int(fd, SOL_SOCKET, SO_BUF_LOCK);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &roomy, sizeof(roomy));
	err = send_all(f, fd, m);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock));
	return err;
}

int unix_queue_fill(struct restore *r, const FileEntry *file)
{
	struct sock_rec *rec = sk_rec(r, file->id);
	struct fill f = { .r = r, .file = file, .u = file->unix_sock };
	_cleanup_close_ int node = -1;

	if (!rec)
		return log_oom();
	if (rec->filled)
		return 0;
	rec->filled = true;
	if (f.u->has_name && f.u->sock->type == SOCK_DGRAM && f.u->n_queue)
		f.to_len = unix_reach(rec, &f.u->name, &f.to, &node);
	for (size_t i = 0; i < f.u->n_queue; i++) {
		int err = fill_message(&f, f.u->queue[i]);

		if (err < 0)
			return log_errno(err, "%s: queue message %zu of %zu", file_entry_name(file), i + 1,
					 f.u->n_queue);
	}
	return 0;
}
