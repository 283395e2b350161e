/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: one mount namespace, built by the hand of the first task in it.
 *
 * The hand starts in a copy of the host's mounts (or of those of the namespace it was cloned from). All
 * are made private. The new root is mounted over the old, on it (hidden from path walks that begin at
 * descriptors) a "stage": a tmpfs where each source the namespace is the first to show is mounted whole,
 * by its number. Every mount is then a clone of a part of a source, put on its parent through the
 * parent's own descriptor: nothing depends on what is visible. Then pivot_root(2), and the old tree
 * goes. Stages stay until mnt_finish(), as later namespaces clone their mounts from them.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/tty.h"
#include "mnt/mnt.h"
#include "mnt/mountinfo.h"
#include "mnt/store.h"

#define ATTRS_ALL 0x2000ffULL

struct build {
	struct restore *r;
	struct rtask *t;
	struct remote *hand;
	struct rmntns *ns;
	int stage; /* the hand's descriptor */
	int *fds; /* the hand's descriptors of its mounts */
	int *sources; /* the hand's descriptors of sources, by index; -1 */
};

static uint64_t how_for(struct remote *h)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH };

	return remote_addr(h, remote_copy(h, &how, sizeof(how)));
}

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

/* A clone of the source's mount by a hand of the namespace where it is attached: ours, detached. */
static int clone_elsewhere(struct build *b, struct rsource *s)
{
	struct rtask *owner = restore_task_in(b->r, NS_MNT, s->home);
	long fd;
	int in;

	if (!owner)
		return -ESRCH;
	in = remote_give_fds(owner->hand, &s->fd, 1, &in) < 0 ? -1 : in;
	if (in < 0)
		return -EBADF;
	fd = remote_syscall(owner->hand, SYS_open_tree, in, remote_str(owner->hand, ""),
			    AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	hand_close(owner->hand, &in);
	return fd < 0 ? (int)fd : remote_take_fd(owner->hand, fd);
}

/* Our detached mount of a source that exists already: on this host, or made by another namespace. */
static int open_existing(struct build *b, struct rsource *s)
{
	int fd;

	if (s->fd >= 0) {
		fd = clone_elsewhere(b, s);
		return fd < 0 ? log_errno(fd, "mount source %s of another mount namespace", s->msg->fstype)
			      : fd;
	}
	if (s->msg->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE && !s->path) {
		fd = tty_prepare_console(b->r, s->msg->tty, &s->path);
		if (fd < 0)
			return fd;
	}
	return rsource_open_host(b->r, s, b->t->pid);
}

/* The hand's descriptor of a detached mount of all of @s. */
static int detached_source(struct build *b, struct rsource *s)
{
	_cleanup_close_ int fd = -1;
	int in, err;

	if (s->fd < 0 && s->msg->kind == MNT_SOURCE_ENTRY__KIND__FS) {
		in = fs_make(b->r, b->t, s);
		if (in < 0)
			return in;
		fd = remote_get_fd(b->hand, in);
		err = fd < 0 ? fd : fs_fill(b->r, s, fd);
		return err < 0 ? err : in;
	}
	fd = open_existing(b, s);
	if (fd < 0)
		return fd;
	err = remote_give_fds(b->hand, &fd, 1, &in);
	return err < 0 ? err : in;
}

/* The hand's detached mount @fd of @s to its place on the stage. */
static int place_source(struct build *b, struct rsource *s, int fd)
{
	struct remote *h = b->hand;
	uint64_t name, empty = remote_str(h, "");
	char text[16];
	int err, ours;

	snprintf(text, sizeof(text), "%u", s->msg->id);
	name = remote_str(h, text);
	if (s->msg->is_dir)
		remote_call(h, SYS_mkdirat, b->stage, name, 0700);
	else
		remote_call(h, SYS_mknodat, b->stage, name, S_IFREG | 0600, 0);
	remote_call(h, SYS_move_mount, fd, empty, b->stage, name, MOVE_MOUNT_F_EMPTY_PATH);
	err = remote_run(h);
	if (err < 0)
		return log_errno(err, "mount source %s %s", s->msg->fstype, s->path ? s->path : "");
	b->sources[s->msg->id - 1] = fd;
	if (s->fd >= 0)
		return 0;
	ours = remote_get_fd(h, fd);
	if (ours < 0)
		return ours;
	s->fd = ours;
	s->home = b->ns->id;
	return 0;
}

static int need_source(struct build *b, struct rsource *s)
{
	int fd;

	if (b->sources[s->msg->id - 1] >= 0)
		return 0;
	fd = detached_source(b, s);
	return fd < 0 ? fd : place_source(b, s, fd);
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

/* In this batch: a clone of @rel in the hand's mount @source, with @m's flags. */
static struct remote_call *clone_call(struct remote *h, int source, const struct rmount *m)
{
	struct mount_attr attr = { .attr_clr = ATTRS_ALL, .attr_set = m->msg->attrs };
	struct remote_call *at = NULL, *tree, *c;
	uint64_t empty = remote_str(h, "");
	const char *rel = place_of(m);

	if (*rel)
		at = remote_call(h, SYS_openat2, source, remote_str(h, rel), how_for(h),
				 sizeof(struct open_how));
	tree = remote_call(h, SYS_open_tree, at ? 0 : source, empty,
			   AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (at)
		remote_ref(h, tree, 0, at);
	c = remote_call(h, SYS_mount_setattr, 0, empty, AT_EMPTY_PATH,
			remote_addr(h, remote_copy(h, &attr, sizeof(attr))), sizeof(attr));
	remote_ref(h, c, 0, tree);
	if (at) {
		c = remote_call(h, SYS_close, 0);
		remote_ref(h, c, 0, at);
	}
	return tree;
}

/* The new root over the old one, the stage on it. */
static int begin(struct build *b)
{
	struct rmount *m = &b->ns->m[0];
	struct remote *h = b->hand;
	struct remote_call *root, *c, *fs, *stage;
	int err, fd = detached_source(b, m->from);
	uint64_t empty, slash;

	if (fd < 0)
		return fd;
	empty = remote_str(h, "");
	slash = remote_str(h, "/");
	remote_call(h, SYS_move_mount, fd, empty, AT_FDCWD, slash, MOVE_MOUNT_F_EMPTY_PATH);
	root = clone_call(h, fd, m);
	c = remote_call(h, SYS_move_mount, 0, empty, AT_FDCWD, slash, MOVE_MOUNT_F_EMPTY_PATH);
	remote_ref(h, c, 0, root);
	fs = remote_call(h, SYS_fsopen, remote_str(h, "tmpfs"), FSOPEN_CLOEXEC);
	c = remote_call(h, SYS_fsconfig, 0, FSCONFIG_CMD_CREATE, 0, 0, 0);
	remote_ref(h, c, 0, fs);
	stage = remote_call(h, SYS_fsmount, 0, FSMOUNT_CLOEXEC, 0);
	remote_ref(h, stage, 0, fs);
	c = remote_call(h, SYS_move_mount, 0, empty, 0, empty,
			MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	remote_ref(h, c, 0, stage);
	remote_ref(h, c, 2, root);
	c = remote_call(h, SYS_close, 0);
	remote_ref(h, c, 0, fs);
	fs = remote_call(h, SYS_open_tree, fd, empty, AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	err = remote_run(h);
	if (err < 0)
		return log_errno(err, RMOUNT_FMT ": the root of a mount namespace", RMOUNT(m));
	b->fds[0] = root->ret;
	b->stage = stage->ret;
	err = place_source(b, m->from, fs->ret);
	hand_close(h, &fd);
	return err;
}

static int log_attach(const struct remote_call *failed, const struct remote_call *at, const struct rmount *m,
		      int err)
{
	const struct rsource *s = m->from;

	if (failed && failed == at)
		return log_errno(err, RMOUNT_FMT ": its mount point", RMOUNT(m));
	if (failed && failed->nr == SYS_openat2)
		return log_errno(err, RMOUNT_FMT ": %s in its source %s", RMOUNT(m), m->msg->rel,
				 s->path ? s->path : s->msg->device);
	return log_errno(err, RMOUNT_FMT ": mounting it", RMOUNT(m));
}

static int attach(struct build *b, size_t i)
{
	struct rmount *m = &b->ns->m[i];
	struct remote *h = b->hand;
	const char *below = path_below(m->msg->point, m->up->msg->point);
	int err, up = b->fds[m->up - b->ns->m];
	struct remote_call *tree, *at = NULL, *c;
	uint64_t empty;

	tree = clone_call(h, b->sources[m->from->msg->id - 1], m);
	empty = remote_str(h, "");
	if (*below)
		at = remote_call(h, SYS_openat2, up, remote_str(h, below), how_for(h),
				 sizeof(struct open_how));
	c = remote_call(h, SYS_move_mount, 0, empty, at ? 0 : up, empty,
			MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	remote_ref(h, c, 0, tree);
	if (at) {
		remote_ref(h, c, 2, at);
		c = remote_call(h, SYS_close, 0);
		remote_ref(h, c, 0, at);
	}
	err = remote_run(h);
	if (err < 0)
		return log_attach(remote_failed(h), at, m, err);
	b->fds[i] = tree->ret;
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

/* Our own handles of all mounts, for propagation later; the hand keeps none. */
static int collect_handles(struct build *b)
{
	struct remote *h = b->hand;

	for (size_t i = 0; i < b->ns->n; i++) {
		int fd = remote_get_fd(h, b->fds[i]);

		if (fd < 0)
			return fd;
		b->ns->m[i].fd = fd;
	}
	for (size_t i = 0; i < b->ns->n; i++)
		hand_close(h, &b->fds[i]);
	for (size_t i = 0; i < b->r->mnts->n_sources; i++)
		hand_close(h, &b->sources[i]);
	hand_close(h, &b->stage);
	return 0;
}

/* Mounts stacked on the hand's root: it, its stage, and what the old root was buried under. */
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
	/* The old root lies on the stage now, with all that was mounted over it: each goes from the top. */
	for (; err >= 0 && n > 2; n--)
		err = (int)remote_syscall(h, SYS_umount2, remote_str(h, "."), MNT_DETACH);
	return err < 0 ? err : (int)remote_syscall(h, SYS_chdir, remote_str(h, "/"));
}

static int build(struct build *b)
{
	int err = make_private(b);

	if (err < 0)
		return log_errno(err, "pid %d: making its mounts private", b->t->pid);
	err = begin(b);
	for (size_t i = 1; i < b->ns->n && err >= 0; i++) {
		err = need_source(b, b->ns->m[i].from);
		if (err >= 0)
			err = need_tty(b, &b->ns->m[i]);
		if (err >= 0)
			err = attach(b, i);
	}
	if (err < 0)
		return err;
	err = enter_root(b);
	if (err >= 0)
		err = collect_handles(b);
	return err < 0 ? log_errno(err, "pid %d: changing to its new root", b->t->pid) : 0;
}

int mnt_restore(struct restore *r, struct rtask *t)
{
	uint32_t id = t->msg->n_ns_ids == NS_KINDS ? t->msg->ns_ids[NS_MNT] : 0;
	_cleanup_free_ int *fds = NULL, *sources = NULL;
	struct build b = { .r = r, .t = t, .hand = t->hand, .stage = -1 };
	int err;

	if (!id)
		return 0;
	b.ns = mnt_store_ns(r->mnts, id);
	if (!b.ns)
		return log_errno(-EBADMSG, "pid %d: the image has no mounts for its mount namespace", t->pid);
	if (b.ns->built)
		return 0;
	fds = malloc((b.ns->n + 1) * sizeof(*fds));
	sources = malloc((r->mnts->n_sources + 1) * sizeof(*sources));
	if (!fds || !sources)
		return log_oom();
	memset(fds, 0xff, (b.ns->n + 1) * sizeof(*fds));
	memset(sources, 0xff, (r->mnts->n_sources + 1) * sizeof(*sources));
	b.fds = fds;
	b.sources = sources;
	err = build(&b);
	if (err >= 0)
		b.ns->built = true;
	return err;
}
