/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: propagation, when all mount namespaces are built. Each peer group is begun by a mount of our
 * own, which its members join with MOVE_MOUNT_SET_GROUP; a group that is itself a slave begins as a
 * member of its master's group.
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

static int join(int from, int to)
{
	return RET_NERRNO(move_mount(
		from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP));
}

/*
 * A peer group while it is made. All members join from @fd, our own detached mount of the whole source: a
 * mount can join only from one that shows at least as much, and the members may each show another part.
 */
struct group {
	uint32_t shared, master;
	struct rsource *from;
	int fd; /* -1: not yet made */
};

struct groups {
	struct restore *r;
	struct group *g;
	size_t n;
};

static void groups_done(struct groups *all)
{
	for (size_t i = 0; i < all->n; i++)
		close_fd(&all->g[i].fd);
	free(all->g);
}

static struct group *find_group(const struct groups *all, uint32_t shared)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->g[i].shared == shared)
			return &all->g[i];
	return NULL;
}

/* @fd joins the group of the mount of this host that the source @s is in; -ENOENT if that has none. */
static int join_host(struct restore *r, const struct rsource *s, int fd)
{
	_cleanup_(mount_list_done) struct mount_list host = { 0 };
	_cleanup_close_ int from = -1;
	const struct mount *h = NULL;
	int err;

	if (s->msg->kind != MNT_SOURCE_ENTRY__KIND__EXTERNAL &&
	    s->msg->kind != MNT_SOURCE_ENTRY__KIND__ROOTFS)
		return -ENOENT;
	err = host_mount_of(r, s, &host, &h);
	if (err < 0)
		return err;
	if (!h->shared && !h->master)
		return -ENOENT;
	from = open(h->point, O_PATH | O_CLOEXEC);
	return from < 0 ? -errno : join(from, fd);
}

/* @fd, of source @s, joins the group @master, or the host's if that is outside the image. */
static int join_master(const struct groups *all, uint32_t master, const struct rsource *s, int fd)
{
	const struct group *g = find_group(all, master);

	return g ? join(g->fd, fd) : join_host(all->r, s, fd);
}

static int make_leader(const struct groups *all, struct group *g)
{
	struct mount_attr slave = { .propagation = MS_SLAVE }, shared = { .propagation = MS_SHARED };
	int err = 0;

	g->fd = holder_clone(&all->r->mnts->holder, g->from->msg->id, "", 0);
	if (g->fd < 0)
		return g->fd;
	if (g->master)
		err = join_master(all, g->master, g->from, g->fd);
	if (err == -ENOENT) {
		log_warn("peer group %u (%s): mounts of the host were seen in it; here its source is private",
			 g->shared, g->from->msg->fstype);
		err = 0;
	} else if (err >= 0 && g->master) {
		err = RET_NERRNO(mount_setattr(g->fd, "", AT_EMPTY_PATH, &slave, sizeof(slave)));
	}
	if (err < 0)
		return err;
	return RET_NERRNO(mount_setattr(g->fd, "", AT_EMPTY_PATH, &shared, sizeof(shared)));
}

static int make_group(const struct groups *all, struct group *g)
{
	struct mnt_store *s = all->r->mnts;
	int err = make_leader(all, g);

	if (err < 0)
		return log_errno(err, "peer group %u (%s)", g->shared, g->from->msg->fstype);
	for (size_t i = 0; i < s->n_mounts; i++) {
		struct rmount *m = &s->mounts[i];

		if (m->msg->shared != g->shared || m->fd < 0)
			continue;
		err = join(g->fd, m->fd);
		if (err < 0)
			return log_errno(err, RMOUNT_FMT ": joining peer group %u", RMOUNT(m), g->shared);
	}
	return 0;
}

/* Groups whose master is made, or is none of ours, until all are. */
static int make_groups(const struct groups *all)
{
	bool progress = true;
	size_t left = all->n;

	while (left && progress) {
		progress = false;
		for (size_t i = 0; i < all->n; i++) {
			const struct group *master = find_group(all, all->g[i].master);
			int err;

			if (all->g[i].fd >= 0 || (master && master->fd < 0))
				continue;
			err = make_group(all, &all->g[i]);
			if (err < 0)
				return err;
			progress = true;
			left--;
		}
	}
	if (left)
		log_error("mounts.img: peer groups are each other's masters");
	return left ? -EBADMSG : 0;
}

static int find_groups(struct groups *all)
{
	struct mnt_store *s = all->r->mnts;

	all->g = calloc(s->n_mounts + 1, sizeof(*all->g));
	if (!all->g)
		return log_oom();
	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct rmount *m = &s->mounts[i];

		if (m->fd >= 0 && m->msg->shared && !find_group(all, m->msg->shared))
			all->g[all->n++] = (struct group){ m->msg->shared, m->msg->master, m->from, -1 };
	}
	return 0;
}

static int lone_mount(const struct groups *all, const struct rmount *m)
{
	int err;

	if (!m->msg->master)
		return m->msg->unbindable ? set_propagation(all->r, m, MS_UNBINDABLE) : 0;
	err = join_master(all, m->msg->master, m->from, m->fd);
	if (err == -ENOENT) {
		log_warn(RMOUNT_FMT ": mounts of the host were seen in it; here its source is private",
			 RMOUNT(m));
		return 0;
	}
	return err < 0 ? err : set_propagation(all->r, m, MS_SLAVE);
}

static int make_propagation(struct restore *r)
{
	_cleanup_(groups_done) struct groups all = { .r = r };
	int err = find_groups(&all);

	if (err >= 0)
		err = make_groups(&all);
	for (size_t i = 0; i < r->mnts->n_mounts && err >= 0; i++) {
		const struct rmount *m = &r->mnts->mounts[i];

		if (m->fd < 0 || m->msg->shared)
			continue;
		err = lone_mount(&all, m);
		if (err < 0)
			log_errno(err, RMOUNT_FMT ": propagation", RMOUNT(m));
	}
	return err;
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
	if (err >= 0)
		err = make_propagation(r);
	holder_stop(&s->holder);
	for (size_t i = 0; i < s->n_mounts; i++)
		close_fd(&s->mounts[i].fd);
	s->finished = true;
	return err;
}
