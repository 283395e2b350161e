/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets, the restore.
 *
 * Streams: the listener first; the connecting end connects to it (to one of the same name made for
 * the moment, when it is gone), and the accepted end is taken at once and kept for its own turn.
 * Both ends of a socketpair(2) are made by whichever comes first. Datagram sockets are connected
 * when all are there, in finish(); queues are filled then too, halves shut down, options set.
 * listen(2), connect(2) and socketpair(2) are called by the task, with the credentials, that
 * SO_PEERCRED is to tell.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "sock/opts.h"
#include "sock/unix.h"

static const UnixEntry *unix_entry(const struct restore *r, uint32_t id)
{
	const FileEntry *e = files_entry(r, id);

	return e && e->kind_case == FILE_ENTRY__KIND_UNIX_SOCK ? e->unix_sock : NULL;
}

/* Made by the other one: an accepted end, or the second of a pair. */
static bool is_follower(const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock;

	if (u->peer != UNIX_ENTRY__PEER__INSIDE)
		return false;
	return u->has_pair && u->pair ? msg->id > u->peer_id : u->has_accepted && u->accepted;
}

static bool is_connector(const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock;

	return u->sock->type != SOCK_DGRAM && u->peer == UNIX_ENTRY__PEER__INSIDE && !u->pair && !u->accepted;
}

static int bad(const FileEntry *msg, const char *what)
{
	log_error("%s: the image has %s", file_entry_name(msg), what);
	return -EBADMSG;
}

static int check_peer(struct restore *r, const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock, *p, *via;

	if (u->peer == UNIX_ENTRY__PEER__INSIDE) {
		p = unix_entry(r, u->peer_id);
		if (!p || u->peer_id == msg->id || p->sock->type != u->sock->type)
			return bad(msg, "a peer that is none");
		if ((u->pair || u->sock->type != SOCK_DGRAM) &&
		    (p->peer != UNIX_ENTRY__PEER__INSIDE || p->peer_id != msg->id || p->pair != u->pair))
			return bad(msg, "a peer that does not agree");
		if (!u->pair && u->sock->type != SOCK_DGRAM && p->accepted == u->accepted)
			return bad(msg, "a connection without a connecting end");
		if (is_connector(msg) && !p->has_name)
			return bad(msg, "a connection to no name");
		if (!u->pair && u->sock->type == SOCK_DGRAM && !p->has_name)
			return bad(msg, "a connection to no name");
	}
	if (u->has_via_id) {
		via = unix_entry(r, u->via_id);
		if (!via || !via->listening || via->sock->type != u->sock->type)
			return bad(msg, "a listener that is none");
	}
	if (u->peer == UNIX_ENTRY__PEER__PENDING && !u->has_via_id)
		return bad(msg, "a waiting client without a listener");
	if (u->peer == UNIX_ENTRY__PEER__EXTERNAL && !u->has_peer_name)
		return bad(msg, "an outside peer without a name");
	return 0;
}

static bool creds_ok(const struct restore *r, const UnixCredsEntry *c)
{
	return !c || (c->task_id <= r->n_tasks && c->n_groups <= 1024);
}

static bool name_ok(protobuf_c_boolean has, const ProtobufCBinaryData *name)
{
	return !has || (name->len && name->len <= sizeof(((struct sockaddr_un *)0)->sun_path));
}

static int check(struct restore *r, const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock;
	const SockEntry *s = u->sock;
	int err = opts_check(msg, s);

	if (err < 0)
		return err;
	if (s->domain != AF_UNIX ||
	    (s->type != SOCK_STREAM && s->type != SOCK_DGRAM && s->type != SOCK_SEQPACKET))
		return bad(msg, "a type that is no unix socket's");
	if (!name_ok(u->has_name, &u->name) || !name_ok(u->has_peer_name, &u->peer_name) || u->shutdown > 3 ||
	    (u->listening && !u->has_name) || (u->path && u->path[0] != '/'))
		return bad(msg, "a bad name or state");
	if (!creds_ok(r, u->peer_creds))
		return bad(msg, "bad peer credentials");
	for (size_t i = 0; i < u->n_queue; i++) {
		if (!creds_ok(r, u->queue[i]->creds))
			return bad(msg, "bad credentials in its queue");
		for (size_t j = 0; j < u->queue[i]->n_file_ids; j++)
			if (!files_entry(r, u->queue[i]->file_ids[j]))
				return bad(msg, "a bad file in its queue");
	}
	return check_peer(r, msg);
}

/* A client that waits comes after all that were accepted, and after those before it in the queue. */
static int pending_deps(struct restore *r, const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock, *o;
	int err = 0;

	for (uint32_t id = 1; files_entry(r, id) && err == 0; id++) {
		o = unix_entry(r, id);
		if (!o || id == msg->id || !o->has_via_id || o->via_id != u->via_id)
			continue;
		if (o->peer == UNIX_ENTRY__PEER__INSIDE ||
		    (o->peer == UNIX_ENTRY__PEER__PENDING && o->pending_index < u->pending_index))
			err = file_dep(r, id);
	}
	return err;
}

int unix_deps(struct restore *r, const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock;
	int err = check(r, msg);

	if (err == 0 && is_follower(msg))
		err = file_dep(r, u->peer_id);
	if (err == 0 && u->has_via_id)
		err = file_dep(r, u->via_id);
	if (err == 0 && u->peer == UNIX_ENTRY__PEER__PENDING)
		err = pending_deps(r, msg);
	return err;
}

static bool stands(const struct rtask *t, enum ns_kind kind, uint32_t id)
{
	return t->hand && t->msg->n_ns_ids == NS_KINDS && t->msg->ns_ids[kind] == id;
}

/* A task in the socket's network namespace and, for a file, in the file's mount namespace. */
struct rtask *unix_maker(struct restore *r, const FileEntry *msg)
{
	const UnixEntry *u = msg->unix_sock;
	struct rtask *holder = &r->tasks[msg->task_id - 1];

	if (stands(holder, NS_NET, u->sock->net_ns_id) && (!u->path || stands(holder, NS_MNT, u->mnt_ns_id)))
		return holder;
	for (size_t i = 0; i < r->n_tasks; i++)
		if (stands(&r->tasks[i], NS_NET, u->sock->net_ns_id) &&
		    (!u->path || stands(&r->tasks[i], NS_MNT, u->mnt_ns_id)))
			return &r->tasks[i];
	return u->path ? NULL : sk_maker(r, u->sock->net_ns_id);
}

/* The hand whose process SO_PEERCRED is to name, if it is there and stands in the right network. */
static struct remote *creds_hand(struct restore *r, const UnixEntry *u, const UnixCredsEntry *c,
				 struct remote *otherwise)
{
	struct rtask *t = c && c->task_id ? &r->tasks[c->task_id - 1] : NULL;

	return t && stands(t, NS_NET, u->sock->net_ns_id) ? t->hand : otherwise;
}

/* Run @fn on our descriptor @fd in the hand at->hand. */
static int with_fd(const struct unix_at *at, int fd, int (*fn)(const struct unix_at *at, int fd, void *arg),
		   void *arg)
{
	int there, err = remote_give_fds(at->hand, &fd, 1, &there);

	if (err < 0)
		return err;
	err = fn(at, there, arg);
	if (err < 0)
		return err;
	return remote_syscall(at->hand, SYS_close, there);
}

static int bind_fn(const struct unix_at *at, int fd, void *rec)
{
	return unix_bind(at, fd, rec);
}

static int listen_fn(const struct unix_at *at, int fd, void *backlog)
{
	unix_creds_begin(at->hand, at->creds);
	remote_call(at->hand, SYS_listen, fd, *(uint32_t *)backlog);
	unix_creds_end(at->hand, at->creds);
	return remote_run(at->hand);
}

struct target {
	const struct sock_rec *rec; /* of what is bound there; NULL: by name */
	const ProtobufCBinaryData *name;
};

static int connect_fn(const struct unix_at *at, int fd, void *arg)
{
	const struct target *t = arg;

	return unix_connect(at, fd, t->rec, t->name);
}

/* socketpair(2) by at->hand; both are ours. */
static int make_pair(const struct unix_at *at, int fds[2])
{
	struct remote *h = at->hand;
	int *there = remote_alloc(h, 2 * sizeof(*there)), sv[2], err;

	unix_creds_begin(h, at->creds);
	remote_call(h, SYS_socketpair, AF_UNIX, at->u->sock->type | SOCK_CLOEXEC, 0, remote_addr(h, there));
	unix_creds_end(h, at->creds);
	err = remote_run(h);
	if (err < 0)
		return err;
	memcpy(sv, there, sizeof(sv));
	for (int i = 0; i < 2; i++) {
		fds[i] = remote_take_fd(h, sv[i]);
		if (fds[i] < 0)
			return fds[i];
	}
	return 0;
}

/* A peer of the moment in sock_rec.fd: it fills the queue and its closing is the original's. */
static int restore_closed(const struct unix_at *at, struct remote *pair_hand, struct sock_rec *rec)
{
	struct unix_at as = *at;
	int fds[2] = { -1, -1 }, there, err;
	struct sock_rec scratch = { .fd = -1, .dir = -1 };

	as.hand = pair_hand;
	as.creds = at->u->peer_creds;
	err = make_pair(&as, fds);
	if (err < 0)
		return err;
	rec->fd = fd_high(fds[1]);
	if (!at->u->has_peer_name)
		return fds[0];
	err = remote_give_fds(at->hand, &rec->fd, 1, &there);
	if (err >= 0)
		err = unix_bind_scratch(at, &at->u->peer_name, there, &scratch);
	if (err == -EADDRINUSE)
		err = 0; /* an abstract name that another socket has by now; logged */
	close_fd(&scratch.dir);
	free(scratch.base);
	if (err >= 0)
		err = remote_syscall(at->hand, SYS_close, there);
	if (err >= 0)
		return fds[0];
	close(fds[0]);
	return err;
}

/* A listener of the moment with the accepted end's name, when the original is gone. */
static int temp_listener(const struct unix_at *at, const ProtobufCBinaryData *name, struct sock_rec *rec)
{
	struct remote *h = at->hand;
	long fd = remote_syscall(h, SYS_socket, AF_UNIX, at->u->sock->type | SOCK_CLOEXEC, 0);
	uint32_t backlog = 1;
	int err = fd < 0 ? fd : unix_bind_scratch(at, name, fd, rec);

	if (err >= 0)
		err = listen_fn(at, fd, &backlog);
	return err < 0 ? err : remote_take_fd(h, fd);
}

/* Connect our @fd to the listener and take the accepted end for the peer's turn. */
static int restore_connection(struct restore *r, const struct unix_at *at, int fd)
{
	const UnixEntry *peer = unix_entry(r, at->u->peer_id);
	struct sock_rec scratch = { .fd = -1, .dir = -1 }, *peer_rec = sk_rec(r, at->u->peer_id);
	struct target to = { &scratch, &peer->name };
	struct unix_at as = *at;
	_cleanup_close_ int temp = -1;
	int listener, err;

	if (at->u->has_via_id) {
		to.rec = sk_rec(r, at->u->via_id);
		listener = files_get(r, at->u->via_id);
	} else {
		as.creds = at->u->peer_creds;
		as.hand = creds_hand(r, at->u, as.creds, at->hand);
		listener = temp = temp_listener(&as, &peer->name, &scratch);
	}
	if (listener < 0 || !to.rec || !peer_rec)
		return listener < 0 ? listener : -ENOMEM;
	as.creds = peer->peer_creds;
	as.hand = creds_hand(r, at->u, as.creds, at->hand);
	err = with_fd(&as, fd, connect_fn, &to);
	if (err >= 0)
		err = RET_NERRNO(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close_fd(&scratch.dir);
	free(scratch.base);
	if (err < 0)
		return err;
	peer_rec->fd = fd_high(err);
	return 0;
}

/* A socket that is connected to the one at @at, with @name unless NULL. */
static int make_sender(const struct unix_at *at, const struct sock_rec *rec, const ProtobufCBinaryData *name)
{
	struct sock_rec scratch = { .fd = -1, .dir = -1 };
	struct target to = { rec, &at->u->name };
	int fd = sk_make(at->file, at->u->sock, at->hand), there, err;

	if (fd < 0)
		return fd;
	err = with_fd(at, fd, connect_fn, &to);
	if (err >= 0 && name) {
		err = remote_give_fds(at->hand, &fd, 1, &there);
		if (err >= 0)
			err = unix_bind_scratch(at, name, there, &scratch);
		if (err >= 0 || err == -EADDRINUSE) /* an abstract name that somebody has by now */
			err = remote_syscall(at->hand, SYS_close, there);
		close_fd(&scratch.dir);
		free(scratch.base);
	}
	if (err >= 0)
		return fd;
	close(fd);
	return log_errno(err, "%s: connect a sender", file_entry_name(at->file));
}

static bool has_sender(const struct sock_rec *rec, const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < rec->n_senders; i++)
		if (rec->senders[i].name->len == name->len &&
		    memcmp(rec->senders[i].name->data, name->data, name->len) == 0)
			return true;
	return false;
}

/* Senders for the queue of a datagram socket: one without a name, and one for each that is gone. */
static int make_senders(struct restore *r, const struct unix_at *at, struct sock_rec *rec)
{
	const UnixEntry *u = at->u;

	if (u->sock->type != SOCK_DGRAM || !u->has_name || u->pair || u->peer == UNIX_ENTRY__PEER__CLOSED)
		return 0;
	for (size_t i = 0; i < u->n_queue; i++) {
		const ProtobufCBinaryData *from = u->queue[i]->has_from ? &u->queue[i]->from : NULL;
		int fd;

		if (from ? unix_find_name(r, u->sock, from) || has_sender(rec, from) : rec->fd >= 0)
			continue;
		if (from && !GROW(rec->senders, rec->n_senders))
			return log_oom();
		fd = make_sender(at, rec, from);
		if (fd < 0)
			return fd;
		if (from)
			rec->senders[rec->n_senders++] = (struct sock_sender){ from, fd_high(fd) };
		else
			rec->fd = fd_high(fd);
	}
	return 0;
}

static int restore_external(const struct unix_at *at, int fd)
{
	struct target to = { NULL, &at->u->peer_name };
	int err = with_fd(at, fd, connect_fn, &to);

	return err < 0 ? log_errno(err, "%s: connect to %s, which is outside; start its server first",
				   file_entry_name(at->file), unix_name_text(to.name->data, to.name->len))
		       : 0;
}

/* Everything but the socket's own name: peers, listening. @fd is ours. */
static int restore_links(struct restore *r, const struct unix_at *at, int fd)
{
	const UnixEntry *u = at->u;
	struct unix_at as = *at;
	struct target to = { NULL, &u->peer_name };

	if (u->listening) {
		as.creds = u->peer_creds;
		as.hand = creds_hand(r, u, u->peer_creds, at->hand);
		return with_fd(&as, fd, listen_fn, (void *)&u->backlog);
	}
	if (is_connector(at->file))
		return restore_connection(r, at, fd);
	if (u->peer == UNIX_ENTRY__PEER__PENDING) {
		to.rec = sk_rec(r, u->via_id);
		to.name = &unix_entry(r, u->via_id)->name;
		return to.rec ? with_fd(at, fd, connect_fn, &to) : -ENOMEM;
	}
	if (u->peer == UNIX_ENTRY__PEER__EXTERNAL)
		return restore_external(at, fd);
	return 0;
}

/* The descriptor itself, without name: new, of a pair, or made already by another's restore. */
static int restore_fd(struct restore *r, const struct unix_at *at, struct sock_rec *rec)
{
	struct remote *pair_hand = creds_hand(r, at->u, at->u->peer_creds, at->hand);
	struct unix_at as = *at;
	struct sock_rec *peer;
	int fds[2], err;

	if (is_follower(at->file))
		return rec->fd >= 0 ? take_fd(&rec->fd) : -EBADMSG;
	if (at->u->peer == UNIX_ENTRY__PEER__CLOSED)
		return restore_closed(at, pair_hand, rec);
	if (at->u->peer != UNIX_ENTRY__PEER__INSIDE || !at->u->pair)
		return sk_make(at->file, at->u->sock, at->hand);
	peer = sk_rec(r, at->u->peer_id);
	as.hand = pair_hand;
	as.creds = at->u->peer_creds;
	err = peer ? make_pair(&as, fds) : -ENOMEM;
	if (err < 0)
		return err;
	peer->fd = fd_high(fds[1]);
	return fds[0];
}

int unix_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const UnixEntry *u = msg->unix_sock;
	struct unix_at at = { .hand = hand, .file = msg, .u = u };
	struct sock_rec *rec = sk_rec(r, msg->id);
	bool accepted = u->peer == UNIX_ENTRY__PEER__INSIDE && u->accepted && u->sock->type != SOCK_DGRAM;
	_cleanup_close_ int fd = rec ? restore_fd(r, &at, rec) : -ENOMEM;
	int err = fd;

	if (err >= 0)
		err = opts_restore_early(msg, u->sock, fd);
	/* An accepted end has its name from the listener. */
	if (err >= 0 && u->has_name && !accepted)
		err = with_fd(&at, fd, bind_fn, rec);
	if (err >= 0)
		err = restore_links(r, &at, fd);
	if (err >= 0)
		err = make_senders(r, &at, rec);
	if (err < 0)
		return log_errno(err, "%s: %s", file_entry_name(msg),
				 unix_name_text(u->name.data, u->name.len));
	return take_fd(&fd);
}

socklen_t unix_reach(const struct sock_rec *rec, const ProtobufCBinaryData *name, struct sockaddr_un *ret,
		     int *ret_node)
{
	char path[64];

	if (rec->dir < 0)
		return unix_sockaddr(name->data, name->len, ret);
	*ret_node = openat(rec->dir, rec->base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *ret_node);
	return unix_sockaddr(path, strlen(path), ret);
}

static int connect_dgram(struct restore *r, const UnixEntry *u, int fd)
{
	struct sock_rec *peer;
	_cleanup_close_ int node = -1;
	struct sockaddr_un to;
	socklen_t len;

	if (u->sock->type != SOCK_DGRAM || u->peer != UNIX_ENTRY__PEER__INSIDE || u->pair)
		return 0;
	peer = sk_rec(r, u->peer_id);
	if (!peer)
		return -ENOMEM;
	len = unix_reach(peer, &unix_entry(r, u->peer_id)->name, &to, &node);
	return RET_NERRNO(connect(fd, (struct sockaddr *)&to, len));
}

/* A datagram socket takes messages from its peer only: it is connected when its queue is filled. */
int unix_finish(struct restore *r, const FileEntry *msg, int fd)
{
	const UnixEntry *u = msg->unix_sock;
	int err = unix_queue_fill(r, msg);

	if (err == 0 && u->peer == UNIX_ENTRY__PEER__INSIDE && u->sock->type != SOCK_DGRAM)
		err = unix_queue_fill(r, files_entry(r, u->peer_id));
	if (err < 0)
		return err;
	err = connect_dgram(r, u, fd);
	if (err < 0)
		return log_errno(err, "%s: connect to %s", file_entry_name(msg),
				 unix_name_text(u->peer_name.data, u->peer_name.len));
	if (u->peer == UNIX_ENTRY__PEER__CLOSED)
		close_fd(&sk_rec(r, msg->id)->fd);
	if (u->shutdown && u->peer != UNIX_ENTRY__PEER__CLOSED && shutdown(fd, u->shutdown - 1) < 0)
		return log_errno(errno, "%s: shutdown", file_entry_name(msg));
	return opts_restore_late(r, msg, u->sock, fd);
}
