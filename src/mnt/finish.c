/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: propagation, when all mount namespaces are built. Each peer group is made by one member and
 * joined by the others with MOVE_MOUNT_SET_GROUP; a group that is itself a slave begins as a member of
 * its master's group.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mnt/mnt.h"
#include "mnt/mountinfo.h"
#include "mnt/store.h"

/* @fd, ours, at a number in the hand of the first task of namespace @ns_id. */
static int lend(struct restore *r, uint32_t ns_id, int fd, struct remote **ret_hand)
{
	struct rtask *t = restore_task_in(r, NS_MNT, ns_id);
	int err, in;

	if (!t)
		return -ESRCH;
	err = remote_give_fds(t->hand, &fd, 1, &in);
	if (err < 0)
		return err;
	*ret_hand = t->hand;
	return in;
}

static int set_propagation(struct restore *r, const struct rmount *m, unsigned int what)
{
	struct mount_attr attr = { .propagation = what };
	struct remote *h = NULL;
	int in = lend(r, m->msg->mnt_ns_id, m->fd, &h), err;

	if (in < 0)
		return in;
	remote_call(h, SYS_mount_setattr, in, remote_str(h, ""), AT_EMPTY_PATH,
		    remote_addr(h, remote_copy(h, &attr, sizeof(attr))), sizeof(attr));
	remote_call(h, SYS_close, in);
	err = remote_run(h);
	return err;
}

static int join(const struct rmount *from, const struct rmount *m)
{
	return RET_NERRNO(
		move_mount(from->fd, "", m->fd, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP));
}

/*
 * The done member of group @shared whose root covers that of @m (as joining demands), the widest; with
 * @m NULL the widest of all members.
 */
static struct rmount *find_member(struct mnt_store *s, uint32_t shared, const struct rmount *m)
{
	struct rmount *best = NULL;

	for (size_t i = 0; i < s->n_mounts; i++) {
		struct rmount *x = &s->mounts[i];

		if (x->msg->shared != shared || x->fd < 0 || x == m)
			continue;
		if (m && (x->from != m->from || (x->msg->rel[0] && !path_below(m->msg->rel, x->msg->rel))))
			continue;
		if (!best || strlen(x->msg->rel) < strlen(best->msg->rel))
			best = x;
	}
	return best;
}

/* @m joins the group of the mount of this host that its source is in; -ENOENT if that has none. */
static int join_host(struct restore *r, struct rmount *m)
{
	_cleanup_(mount_list_done) struct mount_list host = { 0 };
	_cleanup_close_ int fd = -1;
	const struct mount *h = NULL;
	int err;

	if (m->from->msg->kind != MNT_SOURCE_ENTRY__KIND__EXTERNAL &&
	    m->from->msg->kind != MNT_SOURCE_ENTRY__KIND__ROOTFS)
		return -ENOENT;
	err = host_mount_of(r, m->from, &host, &h);
	if (err < 0)
		return err;
	if (!h->shared && !h->master)
		return -ENOENT;
	fd = open(h->point, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return RET_NERRNO(move_mount(
		fd, "", m->fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP));
}

/* @m becomes a slave of its master's group; of one outside the image if its source on this host has one. */
static int enslave(struct restore *r, struct rmount *m)
{
	struct rmount *master = find_member(r->mnts, m->msg->master, m);
	int err = master ? join(master, m) : join_host(r, m);

	if (!master && err == -ENOENT) {
		log_warn(RMOUNT_FMT ": mounts of the host were seen in it; here its source is private",
			 RMOUNT(m));
		return 0;
	}
	return err < 0 ? err : set_propagation(r, m, MS_SLAVE);
}

static int make_group(struct restore *r, uint32_t shared)
{
	struct mnt_store *s = r->mnts;
	struct rmount *first = find_member(s, shared, NULL);
	int err = first->msg->master ? enslave(r, first) : 0;

	if (err >= 0)
		err = set_propagation(r, first, MS_SHARED);
	if (err < 0)
		return log_errno(err, RMOUNT_FMT ": peer group %u", RMOUNT(first), shared);
	for (size_t i = 0; i < s->n_mounts; i++) {
		struct rmount *m = &s->mounts[i];

		if (m == first || m->msg->shared != shared || m->fd < 0)
			continue;
		err = join(first, m);
		if (err < 0)
			return log_errno(err, RMOUNT_FMT ": joining peer group %u", RMOUNT(m), shared);
	}
	return 0;
}

/* Groups whose master is made, or is none of ours, until all are. */
struct group {
	uint32_t shared, master;
	bool done;
};

static struct group *find_group(struct group *g, size_t n, uint32_t shared)
{
	for (size_t i = 0; i < n; i++)
		if (g[i].shared == shared)
			return &g[i];
	return NULL;
}

static int make_groups(struct restore *r, struct group *g, size_t n)
{
	bool progress = true;
	size_t left = n;

	while (left && progress) {
		progress = false;
		for (size_t i = 0; i < n; i++) {
			const struct group *master = find_group(g, n, g[i].master);
			int err;

			if (g[i].done || (master && !master->done))
				continue;
			err = make_group(r, g[i].shared);
			if (err < 0)
				return err;
			g[i].done = progress = true;
			left--;
		}
	}
	if (left)
		log_error("mounts.img: peer groups are each other's masters");
	return left ? -EBADMSG : 0;
}

static int all_groups(struct restore *r)
{
	struct mnt_store *s = r->mnts;
	_cleanup_free_ struct group *g = calloc(s->n_mounts + 1, sizeof(*g));
	size_t n = 0;

	if (!g)
		return log_oom();
	for (size_t i = 0; i < s->n_mounts; i++) {
		const MntEntry *msg = s->mounts[i].msg;

		if (s->mounts[i].fd >= 0 && msg->shared && !find_group(g, n, msg->shared))
			g[n++] = (struct group){ msg->shared, msg->master, false };
	}
	return make_groups(r, g, n);
}

static int lone_mounts(struct restore *r)
{
	struct mnt_store *s = r->mnts;

	for (size_t i = 0; i < s->n_mounts; i++) {
		struct rmount *m = &s->mounts[i];
		int err = 0;

		if (m->fd < 0 || m->msg->shared)
			continue;
		if (m->msg->master)
			err = enslave(r, m);
		else if (m->msg->unbindable)
			err = set_propagation(r, m, MS_UNBINDABLE);
		if (err < 0)
			return log_errno(err, RMOUNT_FMT ": propagation", RMOUNT(m));
	}
	return 0;
}

int mnt_finish(struct restore *r)
{
	struct mnt_store *s = r->mnts;
	int err = 0;

	if (!s || s->finished)
		return 0;
	for (size_t i = 0; i < s->n_sources && err >= 0; i++)
		err = fs_finish(&s->sources[i]);
	for (size_t i = 0; i < s->n_sources; i++)
		close_fd(&s->sources[i].fd);
	holder_stop(&s->holder);
	if (err >= 0)
		err = all_groups(r);
	if (err >= 0)
		err = lone_mounts(r);
	for (size_t i = 0; i < s->n_mounts; i++)
		close_fd(&s->mounts[i].fd);
	s->finished = true;
	return err;
}
