/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix domain sockets, unix(7): the dump; unix_restore.c makes them again.
 *
 * Shown by the kernel: names by getsockname(2), the file by SIOCUNIXFILE, peer, backlog, waiting
 * clients and shutdown by sock_diag(7), credentials by SO_PEERCRED, queued messages by MSG_PEEK with
 * their descriptors. Refused: peers outside the container (unless --external unix[INODE]), clients
 * from outside or with data written in a listener's queue. Not shown and lost: a pending ECONNRESET,
 * out-of-band marks, the pid in credentials of processes that have ended.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "file/file.h"
#include "mnt/mnt.h"
#include "sock/kinds.h"
#include "sock/opts.h"
#include "sock/unix.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89E0 /* linux/un.h, which glibc's sys/un.h excludes */
#endif

static bool unix_match(const struct file_desc *f)
{
	return sk_is(f, AF_UNIX, -1, -1);
}

static bool is_stream(const UnixEntry *u)
{
	return u->sock->type != SOCK_DGRAM;
}

/* The name as the message has it; true if there is one. */
static int dump_name(int fd, bool peer, ProtobufCBinaryData *ret)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	size_t n;

	if ((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len) < 0)
		return errno == ENOTCONN ? 0 : -errno;
	if (len <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	n = unix_name_len(a.sun_path, MIN(len - offsetof(struct sockaddr_un, sun_path), sizeof(a.sun_path)));
	if (!n)
		return 0;
	return sk_set_bytes(ret, a.sun_path, n) < 0 ? -ENOMEM : 1;
}

/* Where the socket file is now: its mount by fdinfo of an O_PATH descriptor of it. */
static int resolve_file(struct dump *d, const struct file_desc *f, int fd, UnixEntry *u)
{
	_cleanup_free_ char *link = NULL, *info = NULL;
	char path[64];
	uint64_t mnt_id;
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = readlink_at(AT_FDCWD, path, &link);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (err >= 0)
		err = read_text_at(AT_FDCWD, path, &info);
	if (err >= 0)
		err = key_u64(info, "mnt_id", 10, &mnt_id);
	if (err >= 0)
		err = mnt_resolve(d, f->task, mnt_id, link, &u->mnt_ns_id, &u->path);
	if (err == -ENOENT) {
		/* On a mount that none of our namespaces has: nobody can reach it (unix_bind_scratch()). */
		u->unlinked = true;
		return 0;
	}
	if (err < 0)
		return log_errno(err, "%s: find the socket file %s", file_desc_name(f), link ? link : "?");
	u->has_mnt_ns_id = true;
	return 0;
}

static int dump_file(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	_cleanup_close_ int fd = ioctl(f->fd, SIOCUNIXFILE);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return log_errno(errno, "%s: open the socket file %s", file_desc_name(f),
				 unix_name_text(u->name.data, u->name.len));
	u->has_unlinked = u->has_mode = u->has_uid = u->has_gid = true;
	u->unlinked = st.st_nlink == 0;
	u->mode = st.st_mode;
	u->uid = sk_id_inside(d, "uid_map", st.st_uid);
	u->gid = sk_id_inside(d, "gid_map", st.st_gid);
	return u->unlinked ? 0 : resolve_file(d, f, fd, u);
}

static bool same_name(const struct unix_info *i, const void *arg)
{
	const ProtobufCBinaryData *name = arg;

	return i->name_len == name->len && memcmp(i->name, name->data, name->len) == 0;
}

/* A listener of its name is there: it is an accepted end whose peer is gone. */
static bool was_accepted(struct dump *d, const struct file_desc *f, const UnixEntry *u)
{
	struct unix_info l = { 0 };
	int ret = unix_find_listener(d, f, same_name, &u->name, &l);

	unix_info_done(&l);
	return ret > 0;
}

static int dump_names(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	int ret = dump_name(f->fd, false, &u->name);

	if (ret < 0)
		return log_errno(ret, "%s: getsockname", file_desc_name(f));
	u->has_name = ret;
	if (!u->has_name || !u->name.data[0] || u->accepted)
		return 0; /* the name of an accepted socket is its listener's, which dumps the file */
	if (u->peer == UNIX_ENTRY__PEER__CLOSED && is_stream(u) && was_accepted(d, f, u)) {
		u->has_unlinked = u->unlinked = true;
		return 0;
	}
	return dump_file(d, f, u);
}

/* Ids of the process that made the pair, called connect(2) or listen(2). */
static int dump_creds(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	UnixCredsEntry *c;
	struct ucred cred;
	gid_t groups[NGROUPS_MAX < 1024 ? NGROUPS_MAX : 1024];
	socklen_t len = sizeof(cred), glen = sizeof(groups);

	if (getsockopt(f->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid == (uid_t)-1)
		return 0;
	c = u->peer_creds = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	unix_creds_entry__init(c);
	c->task_id = cred.pid > 0 ? sk_task_id(d, cred.pid) : 0;
	c->uid = sk_id_inside(d, "uid_map", cred.uid);
	c->gid = sk_id_inside(d, "gid_map", cred.gid);
	if (!c->task_id)
		log_info("%s: process %d of its peer credentials is gone", file_desc_name(f), cred.pid);
	if (getsockopt(f->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &glen) < 0)
		return 0;
	c->groups = calloc(glen / sizeof(gid_t) + 1, sizeof(uint32_t));
	if (!c->groups)
		return -ENOMEM;
	for (size_t i = 0; i < glen / sizeof(gid_t); i++)
		c->groups[c->n_groups++] = sk_id_inside(d, "gid_map", groups[i]);
	return 0;
}

static bool icons_have(const struct unix_info *i, const void *ino)
{
	for (size_t n = 0; n < i->n_icons; n++)
		if (i->icons[n] == *(const uint32_t *)ino)
			return true;
	return false;
}

/* "/run/x.sock (inode 5) of process 77" */
static const char *peer_text(char buf[160], const char *name, uint32_t ino)
{
	pid_t pid = sk_holder(ino);

	if (pid)
		snprintf(buf, 160, "%s (inode %u) of process %d, which is outside", name, ino, pid);
	else
		snprintf(buf, 160, "%s (inode %u), which is outside", name, ino);
	return buf;
}

static int outside(const struct file_desc *f, const UnixEntry *u, uint32_t peer_ino)
{
	const char *name = unix_name_text(u->peer_name.data, u->has_peer_name ? u->peer_name.len : 0);
	char buf[160];

	log_error("%s: connected to %s; end that connection or pass --external unix[%u]", file_desc_name(f),
		  peer_text(buf, name, peer_ino), peer_ino);
	return -EOPNOTSUPP;
}

static bool is_external(struct dump *d, uint32_t ino, uint32_t peer_ino)
{
	char id[2][16];

	snprintf(id[0], sizeof(id[0]), "%u", ino);
	snprintf(id[1], sizeof(id[1]), "%u", peer_ino);
	return d->opt->external_unix || options_external(d->opt, "unix", id[0]) ||
	       (peer_ino && options_external(d->opt, "unix", id[1]));
}

/* Which listener a connecting end went through, if that one is still there. */
static int dump_via(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	struct unix_info l = { 0 };
	const struct file_desc *lf;
	int ret = unix_find_listener(d, f, same_name, &u->peer_name, &l);

	if (ret <= 0)
		return ret;
	lf = files_by_inode(d, f->st.st_dev, l.ino);
	if (lf && sk_int(lf->fd, SOL_SOCKET, SO_TYPE) == (int)u->sock->type) {
		u->has_via_id = true;
		u->via_id = lf->id;
	}
	unix_info_done(&l);
	return 0;
}

/* Datagram sockets: connected to each other and one without a name can only be of socketpair(2). */
static int dump_dgram_pair(struct dump *d, const struct file_desc *f, const struct file_desc *peer,
			   bool named, UnixEntry *u)
{
	_cleanup_(unix_info_done) struct unix_info i = { 0 };
	int ret;

	if (named && u->has_peer_name)
		return 0;
	ret = unix_info(d, peer, &i);
	if (ret < 0)
		return log_errno(ret, "%s: sock_diag", file_desc_name(peer));
	u->has_pair = u->pair = i.peer == u->ino;
	if (u->pair || u->has_peer_name)
		return 0;
	log_error("%s: connected to %s, which has no name and is not connected to it", file_desc_name(f),
		  file_desc_name(peer));
	return -EOPNOTSUPP;
}

/* Both ends are ours: who called accept(2), if anybody did? Sockets made by socketpair(2) have no name. */
static int dump_inside(struct dump *d, const struct file_desc *f, const struct file_desc *peer, UnixEntry *u)
{
	ProtobufCBinaryData mine = { 0 };
	bool named;
	int ret = dump_name(f->fd, false, &mine);

	free(mine.data);
	if (ret < 0)
		return ret;
	named = ret;
	u->peer = UNIX_ENTRY__PEER__INSIDE;
	u->has_peer_id = true;
	u->peer_id = peer->id;
	if (!is_stream(u))
		return dump_dgram_pair(d, f, peer, named, u);
	if (!named && !u->has_peer_name) {
		u->has_pair = u->pair = true;
		return 0;
	}
	/* Both named: the accepted one was made later. */
	u->has_accepted = true;
	u->accepted = named && (!u->has_peer_name || f->st.st_ino > peer->st.st_ino);
	return u->accepted ? 0 : dump_via(d, f, u);
}

/* Connected, and the peer has no inode: not accepted yet, or gone. */
static int dump_no_inode(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	struct unix_info l = { 0 };
	const struct file_desc *lf;
	int unread = 0, ret = unix_find_listener(d, f, icons_have, &u->ino, &l);

	if (ret < 0)
		return log_errno(ret, "%s: sock_diag of listening sockets", file_desc_name(f));
	if (ret == 0) {
		u->peer = UNIX_ENTRY__PEER__CLOSED;
		return 0;
	}
	lf = files_by_inode(d, f->st.st_dev, l.ino);
	u->peer = UNIX_ENTRY__PEER__PENDING;
	u->has_via_id = u->has_pending_index = true;
	u->via_id = lf ? lf->id : 0;
	while (u->pending_index < l.n_icons && l.icons[u->pending_index] != u->ino)
		u->pending_index++;
	unix_info_done(&l);
	if (!lf)
		return outside(f, u, l.ino);
	if (ioctl(f->fd, SIOCOUTQ, &unread) == 0 && unread > 0) {
		log_error("%s: has written to a connection that %s has not accepted yet; try again",
			  file_desc_name(f), file_desc_name(lf));
		return -EAGAIN;
	}
	return 0;
}

/* The name of an outside peer, for a hand that may stand in another directory. */
static int absolute_peer(const struct file_desc *f, UnixEntry *u)
{
	_cleanup_free_ char *cwd = NULL, *path = NULL;
	int err;

	if (!u->peer_name.data[0] || u->peer_name.data[0] == '/')
		return 0;
	err = readlink_at(f->task->proc, "cwd", &cwd);
	if (err < 0)
		return log_errno(err, "%s: its working directory", file_desc_name(f));
	path = xasprintf("%s/%.*s", cwd, (int)u->peer_name.len, (const char *)u->peer_name.data);
	if (!path)
		return log_oom();
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		log_error("%s: the name %s of its peer is too long", file_desc_name(f), path);
		return -ENAMETOOLONG;
	}
	u->peer_name.len = strlen(path);
	free(u->peer_name.data);
	u->peer_name.data = (uint8_t *)TAKE_PTR(path);
	return 0;
}

static int dump_peer(struct dump *d, const struct file_desc *f, const struct unix_info *i, UnixEntry *u)
{
	const struct file_desc *peer;
	int ret;

	u->peer = UNIX_ENTRY__PEER__NONE;
	if (!i->has_peer)
		return 0;
	ret = dump_name(f->fd, true, &u->peer_name);
	if (ret < 0)
		return log_errno(ret, "%s: getpeername", file_desc_name(f));
	u->has_peer_name = ret;
	if (!i->peer)
		return dump_no_inode(d, f, u);
	peer = files_by_inode(d, f->st.st_dev, i->peer);
	if (peer)
		return dump_inside(d, f, peer, u);
	if (!is_external(d, u->ino, i->peer) || !u->has_peer_name)
		return outside(f, u, i->peer);
	u->peer = UNIX_ENTRY__PEER__EXTERNAL;
	return absolute_peer(f, u);
}

/* Every client that waits must be one of ours. */
static int dump_listener(struct dump *d, const struct file_desc *f, const struct unix_info *i, UnixEntry *u)
{
	u->listening = true;
	u->has_backlog = true;
	u->backlog = i->wqueue;
	for (size_t n = 0; n < i->n_icons; n++) {
		if (i->icons[n] && files_by_inode(d, f->st.st_dev, i->icons[n]))
			continue;
		log_error("%s: a client from outside (inode %u) waits to be accepted; try again",
			  file_desc_name(f), i->icons[n]);
		return -EAGAIN;
	}
	return 0;
}

static int dump_entry(struct dump *d, const struct file_desc *f, UnixEntry *u)
{
	_cleanup_(unix_info_done) struct unix_info i = { 0 };
	int ret = unix_info(d, f, &i);

	if (ret < 0)
		return log_errno(ret, "%s: sock_diag", file_desc_name(f));
	u->ino = i.ino;
	u->shutdown = i.shutdown;
	ret = opts_dump(d, f, &u->sock);
	if (ret == 0 && i.state == UNIX_STATE_LISTEN)
		ret = dump_listener(d, f, &i, u);
	else if (ret == 0)
		ret = dump_peer(d, f, &i, u);
	if (ret == 0)
		ret = dump_names(d, f, u);
	if (ret == 0 && (i.state == UNIX_STATE_LISTEN || i.has_peer))
		ret = dump_creds(d, f, u);
	if (ret == 0 && i.state != UNIX_STATE_LISTEN)
		ret = unix_queue_dump(d, f, u);
	return ret;
}

static int unix_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	UnixEntry *u = malloc(sizeof(*u));
	int ret;

	if (!u)
		return log_oom();
	unix_entry__init(u);
	ret = dump_entry(d, f, u);
	if (ret < 0) {
		unix_entry__free_unpacked(u, NULL);
		return ret;
	}
	msg->kind_case = FILE_ENTRY__KIND_UNIX_SOCK;
	msg->unix_sock = u;
	return 0;
}

/* The peer's name as it stands now, for the survey. */
static const char *survey_peer_name(const struct file_desc *f)
{
	_cleanup_close_ int own = -1;
	int fd = sk_borrow(f, &own);
	ProtobufCBinaryData name = { 0 };
	const char *text;

	if (fd < 0 || dump_name(fd, true, &name) <= 0)
		return "(unnamed)";
	text = unix_name_text(name.data, name.len);
	free(name.data);
	return text;
}

int unix_survey(struct dump *d, const struct file_desc *f)
{
	_cleanup_(unix_info_done) struct unix_info i = { 0 };
	char buf[160];

	if (unix_info(d, f, &i) < 0)
		return 0; /* closed meanwhile; the dump itself will tell */
	if (!i.peer || sk_held(d, i.peer) || is_external(d, i.ino, i.peer))
		return 0;
	if (!sk_holder(i.peer))
		return 0; /* in flight, as it seems: the dump will see */
	return dump_obstacle(d, "%s: connected to %s; end that connection or pass --external unix[%u]",
			     file_desc_name(f), peer_text(buf, survey_peer_name(f), i.peer), i.peer);
}

const struct file_ops unix_ops = {
	.name = "unix socket",
	.kind = FILE_ENTRY__KIND_UNIX_SOCK,
	.match = unix_match,
	.survey = unix_survey,
	.collect = unix_collect,
	.dump = unix_dump,
	.deps = unix_deps,
	.maker = unix_maker,
	.restore = unix_restore,
	.finish = unix_finish,
};
