/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "ns/kinds.h"
#include "ns/timens.h"

const NsEntry *ns_entry_of(const struct restore *r, const struct rtask *t, enum ns_kind kind)
{
	uint32_t id = t->msg->n_ns_ids == NS_KINDS ? t->msg->ns_ids[kind] : 0;

	return id && id <= r->ns->n ? r->ns->entries[id - 1] : NULL;
}

bool ns_first(const struct restore *r, const struct rtask *t, enum ns_kind kind)
{
	const NsEntry *e = ns_entry_of(r, t, kind);

	return e && e->task_id == t->msg->id;
}

/* A user namespace that owns no other namespace is entered last. */
static bool is_late(const struct restore *r, const NsEntry *user)
{
	for (size_t i = 0; i < r->ns->n; i++) {
		const NsEntry *e = r->ns->entries[i];

		if (e->owner_id == user->id && e->kind != NS_CGROUP && e->kind != NS_TIME)
			return false;
	}
	return true;
}

/* The user namespace the task is cloned in. */
static const NsEntry *early_user(const struct restore *r, const struct rtask *t)
{
	const NsEntry *u = ns_entry_of(r, t, NS_USER);

	while (u && is_late(r, u))
		u = u->parent_id ? r->ns->entries[u->parent_id - 1] : NULL;
	return u;
}

static int check_entry(const struct restore *r, size_t i)
{
	const NsEntry *e = r->ns->entries[i];
	const struct ns_ops *ops;

	if (e->id != i + 1 || e->kind >= NS_KINDS || !e->task_id || e->task_id > r->n_tasks ||
	    e->owner_id > r->ns->n || e->parent_id > r->ns->n)
		return -EBADMSG;
	if (e->owner_id && r->ns->entries[e->owner_id - 1]->kind != NS_USER)
		return -EBADMSG;
	/* parents come first in the tree, so a chain of them ends */
	if (e->parent_id && (r->ns->entries[e->parent_id - 1]->kind != e->kind || e->parent_id >= e->id))
		return -EBADMSG;
	if (ns_entry_of(r, &r->tasks[e->task_id - 1], e->kind) != e)
		return -EBADMSG;
	ops = ns_ops_of(e->kind);
	return ops && ops->check ? ops->check(r, e) : 0;
}

static int check_task(const struct restore *r, const TaskEntry *t)
{
	if (t->n_ns_ids != NS_KINDS)
		return -EBADMSG;
	for (int k = 0; k < NS_KINDS; k++) {
		uint32_t id = t->ns_ids[k];

		if (id && (id > r->ns->n || r->ns->entries[id - 1]->kind != (uint32_t)k))
			return -EBADMSG;
	}
	return 0;
}

static int check_all(struct restore *r)
{
	const ClockEntry *c = r->ns->clock;
	int err = 0;

	for (size_t i = 0; i < r->n_tasks && !err; i++) {
		err = check_task(r, r->tasks[i].msg);
		if (err < 0)
			return log_errno(err, "task %u: namespaces that are not in the image",
					 r->tasks[i].msg->id);
	}
	for (size_t i = 0; i < r->ns->n && !err; i++) {
		err = check_entry(r, i);
		if (err < 0)
			return log_errno(err, "namespace %zu in ns.img is damaged", i + 1);
	}
	if (c && (c->monotonic_ns < 0 || c->boottime_ns < 0 || c->monotonic_ns > INT64_MAX / 4 ||
		  c->boottime_ns > INT64_MAX / 4))
		return log_errno(-EBADMSG, "clocks in clock.img");
	return 0;
}

int ns_load(struct restore *r)
{
	ProtobufCMessage **msgs = NULL, *clock = NULL;
	size_t n = 0;
	int err = image_read(r->img, "ns", &ns_entry__descriptor, &msgs, &n);

	if (err < 0)
		return err;
	r->ns = calloc(1, sizeof(*r->ns));
	if (!r->ns) {
		image_messages_free(msgs, n);
		return log_oom();
	}
	r->ns->entries = (NsEntry **)msgs;
	r->ns->n = n;
	r->ns->fds = malloc((n + 1) * sizeof(int));
	if (!r->ns->fds)
		return log_oom();
	for (size_t i = 0; i < n; i++)
		r->ns->fds[i] = -1;
	if (image_has(r->img, "clock.img")) {
		err = image_read_one(r->img, "clock", &clock_entry__descriptor, &clock);
		if (err < 0)
			return err;
		r->ns->clock = (ClockEntry *)clock;
	}
	return check_all(r);
}

void ns_restore_done(struct restore *r)
{
	if (!r->ns)
		return;
	user_own_groups(r);
	for (size_t i = 0; r->ns->fds && i < r->ns->n; i++)
		close_fd(&r->ns->fds[i]);
	free(r->ns->fds);
	image_messages_free((ProtobufCMessage **)r->ns->entries, r->ns->n);
	if (r->ns->clock)
		clock_entry__free_unpacked(r->ns->clock, NULL);
	free(r->ns);
	r->ns = NULL;
}

uint64_t ns_clone_flags(const struct restore *r, const struct rtask *t)
{
	const NsEntry *user = early_user(r, t);
	uint64_t flags = 0;

	for (int k = 0; k < NS_KINDS; k++) {
		/* cgroup: after placement; time: by unshare before the clone; user: below */
		if (k != NS_CGROUP && k != NS_TIME && k != NS_USER && ns_first(r, t, k))
			flags |= ns_flags[k];
	}
	if (user && user->task_id == t->msg->id)
		flags |= CLONE_NEWUSER;
	return flags;
}

int ns_before_root(struct restore *r)
{
	return early_user(r, &r->tasks[0]) ? user_outer_groups(r, &r->tasks[0], NULL) : 0;
}

static int keep_handle(struct restore *r, const struct rtask *t, const NsEntry *e)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", t->pid, ns_names[e->kind]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return log_errno(errno, "%s", path);
	r->ns->fds[e->id - 1] = fd_high(fd);
	return 0;
}

/* Keep a handle on each namespace @t was cloned into first, for those that enter it later. */
static int keep_handles(struct restore *r, struct rtask *t)
{
	int err = 0;

	for (int k = 0; k < NS_KINDS && !err; k++) {
		const NsEntry *e = ns_entry_of(r, t, k);

		if (!e || e->task_id != t->msg->id || r->ns->fds[e->id - 1] >= 0 || k == NS_CGROUP)
			continue;
		if (k != NS_USER || early_user(r, t) == e)
			err = keep_handle(r, t, e);
	}
	return err;
}

int ns_hand_setns(struct rtask *t, int fd, uint64_t flag)
{
	int theirs, err = remote_give_fds(t->hand, &fd, 1, &theirs);

	if (err < 0)
		return err;
	err = (int)remote_syscall(t->hand, SYS_setns, theirs, flag);
	(void)remote_syscall(t->hand, SYS_close, theirs);
	return err;
}

int ns_after_clone(struct restore *r, struct rtask *t)
{
	const NsEntry *user = early_user(r, t);
	int err = 0;

	if (!t->parent)
		err = user_own_groups(r);
	if (!err)
		err = keep_handles(r, t);
	if (!err && user && user->task_id == t->msg->id)
		err = user_restore_maps(r, t, user);
	if (!err && !t->parent)
		err = timens_restore(r, t);
	return err;
}

/* The pid namespace a child must be born in: neither its parent's nor one it is the init of. */
static const NsEntry *foreign_pid_ns(const struct restore *r, const struct rtask *parent,
				     const struct rtask *t)
{
	const NsEntry *e = ns_entry_of(r, t, NS_PID);

	return !e || ns_first(r, t, NS_PID) || e == ns_entry_of(r, parent, NS_PID) ? NULL : e;
}

int ns_before_child(struct restore *r, struct rtask *parent, const struct rtask *t)
{
	const NsEntry *pid = foreign_pid_ns(r, parent, t), *user = early_user(r, t);
	int err = 0;

	if (pid)
		err = r->ns->fds[pid->id - 1] < 0
			      ? -ENOENT
			      : ns_hand_setns(parent, r->ns->fds[pid->id - 1], CLONE_NEWPID);
	if (err < 0)
		return log_errno(err, "pid %d: enter pid namespace %u for a child", parent->pid, pid->id);
	return user && user->task_id == t->msg->id ? user_outer_groups(r, t, parent->hand) : 0;
}

int ns_after_child(struct restore *r, struct rtask *parent, const struct rtask *t)
{
	_cleanup_close_ int fd = -1;
	char path[48];
	int err;

	if (!foreign_pid_ns(r, parent, t))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", parent->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : ns_hand_setns(parent, fd, CLONE_NEWPID);
	return err < 0 ? log_errno(err, "pid %d: back to its own pid namespace", parent->pid) : 0;
}

/* Whether @t must enter the existing namespace @e of @kind, which its parent is not in. */
static bool must_enter(const struct restore *r, const struct rtask *t, enum ns_kind kind, const NsEntry *e)
{
	if (!e || e->task_id == t->msg->id || kind == NS_PID || kind == NS_TIME)
		return false;
	if (kind == NS_USER)
		return !t->parent || early_user(r, t->parent) != e;
	return !t->parent || ns_entry_of(r, t->parent, kind) != e;
}

int ns_enter(struct restore *r, struct rtask *t)
{
	/* the user namespace last: entering it drops the power over those around it */
	static const enum ns_kind order[] = { NS_IPC, NS_UTS, NS_NET, NS_CGROUP, NS_MNT, NS_USER };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		const NsEntry *e = order[i] == NS_USER ? early_user(r, t) : ns_entry_of(r, t, order[i]);
		int err;

		if (!must_enter(r, t, order[i], e))
			continue;
		err = r->ns->fds[e->id - 1] < 0 ? -ENOENT
						: ns_hand_setns(t, r->ns->fds[e->id - 1], ns_flags[order[i]]);
		if (err < 0)
			return log_errno(err, "pid %d: enter %s namespace %u", t->pid, ns_names[order[i]],
					 e->id);
	}
	return 0;
}

int ns_restore(struct restore *r, struct rtask *t)
{
	for (int k = 0; k < NS_KINDS; k++) {
		const struct ns_ops *ops = ns_ops_of(k);
		const NsEntry *e = ns_entry_of(r, t, k);
		int err;

		if (!ns_first(r, t, k) || !ops || !ops->restore)
			continue;
		err = ops->restore(r, t, e);
		if (!err && k == NS_CGROUP)
			err = keep_handle(r, t, e);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Step into one late user namespace: make it if @t is the first, else join. */
static int enter_late(struct restore *r, struct rtask *t, const NsEntry *user)
{
	int fd = r->ns->fds[user->id - 1], err = 0;

	if (ns_entry_of(r, t, NS_USER) == user)
		err = user_outer_groups(r, t, t->hand);
	if (err < 0)
		return err;
	if (fd >= 0) {
		err = ns_hand_setns(t, fd, CLONE_NEWUSER);
		return err < 0 ? log_errno(err, "pid %d: enter user namespace %u", t->pid, user->id) : 0;
	}
	err = (int)remote_syscall(t->hand, SYS_unshare, CLONE_NEWUSER);
	if (err < 0)
		return log_errno(err, "pid %d: new user namespace %u", t->pid, user->id);
	err = keep_handle(r, t, user);
	return err < 0 ? err : user_restore_maps(r, t, user);
}

int ns_enter_user(struct restore *r, struct rtask *t)
{
	const NsEntry *user = ns_entry_of(r, t, NS_USER), *early = early_user(r, t), *next;
	int err;

	/* outermost first */
	while (user && early != user) {
		for (next = user; next->parent_id && r->ns->entries[next->parent_id - 1] != early;)
			next = r->ns->entries[next->parent_id - 1];
		err = enter_late(r, t, next);
		if (err < 0)
			return err;
		early = next;
	}
	return 0;
}

int ns_finish(struct restore *r)
{
	for (size_t i = 0; i < r->ns->n; i++) {
		const NsEntry *e = r->ns->entries[i];
		const struct ns_ops *ops = ns_ops_of(e->kind);
		int err = ops && ops->finish ? ops->finish(r, &r->tasks[e->task_id - 1], e) : 0;

		if (err < 0)
			return err;
	}
	return 0;
}
