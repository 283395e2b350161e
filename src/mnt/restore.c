/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: one mount namespace, built by the hand of the first task in it.
 *
 * The hand starts in a copy of the host's mounts (or of those of the namespace it was cloned from). All
 * are made private. Each source the namespace is the first to show is made (file systems by the hand,
 * parts of the host by us) and given to the holder; every mount is then a clone of a part of a source,
 * put on its parent through the parent's own descriptor: nothing depends on what is visible. The new
 * root is mounted over the old one to begin with; at the end pivot_root(2), and the old tree goes.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/tty.h"
#include "mnt/mnt.h"
#include "mnt/mountinfo.h"
#include "mnt/store.h"

struct build {
	struct restore *r;
	struct rtask *t;
	struct remote *hand;
	struct rmntns *ns;
	int *fds; /* the hand's descriptors of its mounts */
};

static void hand_close(struct remote *h, int *fd)
{
	if (*fd >= 0)
		(void)remote_syscall(h, SYS_close, *fd);
	*fd = -1;
}

static int make_private(struct build *b)
{
	struct remote *h = b->hand;
	uint64_t root = remote_str(h, "/");

	remote_call(h, SYS_mount, 0, root, 0, MS_REC | MS_SLAVE, 0);
	remote_call(h, SYS_mount, 0, root, 0, MS_REC | MS_PRIVATE, 0);
	return remote_run(h);
}

/* Our detached mount of a new file system, filled. */
static int new_source(struct build *b, struct rsource *s)
{
	_cleanup_close_ int fd = -1;
	int in = fs_make(b->r, b->t, s), err;

	if (in < 0)
		return in;
	fd = remote_take_fd(b->hand, in);
	err = fd < 0 ? fd : fs_fill(b->r, s, fd);
	return err < 0 ? err : take_fd(&fd);
}

static int need_source(struct build *b, struct rsource *s)
{
	_cleanup_close_ int fd = -1;
	int err = 0;

	if (s->fd >= 0)
		return 0;
	if (s->msg->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE && !s->path)
		err = tty_prepare_console(b->r, s->msg->tty, &s->path);
	if (err < 0)
		return err;
	fd = s->msg->kind == MNT_SOURCE_ENTRY__KIND__FS ? new_source(b, s)
							: rsource_open_host(b->r, s, b->t->pid);
	if (fd < 0)
		return fd;
	err = holder_put(&b->r->mnts->holder, s->msg->id, s->msg->is_dir, fd);
	if (err < 0)
		return log_errno(err, "mount source %s %s", s->msg->fstype, s->path ? s->path : "");
	s->fd = fd_high(take_fd(&fd));
	return 0;
}

/* A mount of a tty's node (LXC's /dev/console, /dev/ttyN): the tty must exist. */
static int need_tty(struct build *b, const struct rmount *m)
{
	const struct rsource *s = m->from;
	uint32_t index;

	if (!streq(s->msg->fstype, "devpts") || s->msg->kind != MNT_SOURCE_ENTRY__KIND__FS ||
	    parse_u32(m->msg->rel, 10, &index) < 0)
		return 0;
	return tty_prepare(b->r, s->fd, index, strrchr(m->msg->point, '/') + 1);
}

/* Where the root of @m is in its source: an unlinked one may have another name for a while. */
static const char *place_of(const struct rmount *m)
{
	const MntSourceEntry *msg = m->from->msg;

	for (size_t i = 0; m->msg->deleted && i < msg->n_trees; i++)
		if (msg->trees[i]->deleted && streq(msg->trees[i]->root + 1, m->msg->rel) &&
		    m->from->places[i])
			return m->from->places[i] + 1;
	return m->msg->rel;
}

/* m->fd: a detached mount with its flags. */
static int clone_source(struct build *b, struct rmount *m)
{
	const struct rsource *s = m->from;
	int fd = holder_clone(&b->r->mnts->holder, s->msg->id, place_of(m), m->msg->attrs);

	if (fd < 0)
		return log_errno(fd, RMOUNT_FMT ": /%s in its source %s", RMOUNT(m), m->msg->rel,
				 s->path ? s->path : s->msg->device);
	m->fd = fd;
	return 0;
}

static int attach_root(struct build *b)
{
	struct remote *h = b->hand;

	return (int)remote_syscall(h, SYS_move_mount, b->fds[0], remote_str(h, ""), AT_FDCWD,
				   remote_str(h, "/"), MOVE_MOUNT_F_EMPTY_PATH);
}

/* Onto its mount point, as that looks from its parent. */
static int attach_below(struct build *b, size_t i)
{
	const struct rmount *m = &b->ns->m[i];
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH };
	struct remote *h = b->hand;
	const char *below = path_below(m->msg->point, m->up->msg->point);
	int up = b->fds[m->up - b->ns->m];
	uint64_t empty = remote_str(h, "");
	struct remote_call *at, *c;

	if (!*below)
		return (int)remote_syscall(h, SYS_move_mount, b->fds[i], empty, up, empty,
					   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	at = remote_call(h, SYS_openat2, up, remote_str(h, below),
			 remote_addr(h, remote_copy(h, &how, sizeof(how))), sizeof(how));
	c = remote_call(h, SYS_move_mount, b->fds[i], empty, 0, empty,
			MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	remote_ref(h, c, 2, at);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, at);
	return remote_run(h);
}

static int attach(struct build *b, size_t i)
{
	struct rmount *m = &b->ns->m[i];
	const struct remote_call *failed;
	int err = need_source(b, m->from);

	if (err >= 0)
		err = need_tty(b, m);
	if (err >= 0)
		err = clone_source(b, m);
	if (err < 0)
		return err;
	err = remote_give_fds(b->hand, &m->fd, 1, &b->fds[i]);
	if (err >= 0)
		err = i ? attach_below(b, i) : attach_root(b);
	if (err >= 0)
		return 0;
	failed = remote_failed(b->hand);
	return log_errno(err, RMOUNT_FMT ": %s", RMOUNT(m),
			 failed && failed->nr == SYS_openat2 ? "its mount point" : "mounting it");
}

/* Mounts stacked on the hand's root: it, the old root and what that was buried under. */
static int count_roots(struct build *b, size_t *ret)
{
	_cleanup_(mount_list_done) struct mount_list l = { 0 };
	_cleanup_free_ char *text = NULL;
	int err = proc_read(b->t->pid, "mountinfo", &text);
	size_t n = 0;

	if (err >= 0)
		err = mountinfo_parse(text, &l);
	if (err < 0)
		return err;
	for (size_t i = 0; i < l.n; i++)
		n += streq(l.m[i]->point, "/");
	*ret = n;
	return 0;
}

static int enter_root(struct build *b)
{
	struct remote *h = b->hand;
	uint64_t dot = remote_str(h, ".");
	size_t n = 0;
	int err;

	remote_call(h, SYS_fchdir, b->fds[0]);
	remote_call(h, SYS_pivot_root, dot, dot);
	err = remote_run(h);
	if (err >= 0)
		err = count_roots(b, &n);
	/* The old root lies on the new one, with all that was mounted over it: each goes from the top. */
	for (; err >= 0 && n > 1; n--)
		err = (int)remote_syscall(h, SYS_umount2, remote_str(h, "."), MNT_DETACH);
	return err < 0 ? err : (int)remote_syscall(h, SYS_chdir, remote_str(h, "/"));
}

static int build(struct build *b)
{
	int err = make_private(b);

	if (err < 0)
		return log_errno(err, "pid %d: making its mounts private", b->t->pid);
	for (size_t i = 0; i < b->ns->n && err >= 0; i++)
		err = attach(b, i);
	if (err < 0)
		return err;
	err = enter_root(b);
	if (err < 0)
		return log_errno(err, "pid %d: changing to its new root", b->t->pid);
	for (size_t i = 0; i < b->ns->n; i++)
		hand_close(b->hand, &b->fds[i]);
	return 0;
}

int mnt_restore(struct restore *r, struct rtask *t)
{
	uint32_t id = t->msg->n_ns_ids == NS_KINDS ? t->msg->ns_ids[NS_MNT] : 0;
	struct build b = { .r = r, .t = t, .hand = t->hand };
	_cleanup_free_ int *fds = NULL;
	int err = 0;

	if (!id)
		return 0;
	b.ns = mnt_store_ns(r->mnts, id);
	if (!b.ns)
		return log_errno(-EBADMSG, "pid %d: the image has no mounts for its mount namespace", t->pid);
	if (b.ns->built)
		return 0;
	if (r->mnts->holder.sock < 0)
		err = holder_start(&r->mnts->holder);
	if (err < 0)
		return log_errno(err, "a mount namespace to build from");
	fds = malloc((b.ns->n + 1) * sizeof(*fds));
	if (!fds)
		return log_oom();
	memset(fds, 0xff, (b.ns->n + 1) * sizeof(*fds));
	b.fds = fds;
	err = build(&b);
	if (err >= 0)
		b.ns->built = true;
	return err;
}
