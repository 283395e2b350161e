/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cannot be restored, seen without stopping anybody: a namespace without a task (kept by a descriptor
 * or a mount), threads that stand elsewhere than their leader, owners mixed in a way clone cannot make.
 */
#include <ctype.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "ns/kinds.h"

static bool owns_any(const struct dump *d, const struct ns *user)
{
	for (size_t i = 0; i < d->n_ns; i++)
		if (d->ns[i]->owner == user && d->ns[i]->kind != NS_CGROUP && d->ns[i]->kind != NS_TIME)
			return true;
	return false;
}

/* The user namespace task @t is cloned in: late ones (see user.c) are entered only at the end. */
static const struct ns *clone_user(const struct dump *d, const struct task *t)
{
	const struct ns *u = t->ns[NS_USER];

	while (u && !owns_any(d, u))
		u = u->parent;
	return u;
}

static int survey_owner(struct dump *d, const struct ns *ns)
{
	const struct ns *maker = clone_user(d, ns->task);

	if (ns->kind == NS_USER || ns->kind == NS_CGROUP || ns->kind == NS_TIME || ns->owner == maker)
		return 0;
	return dump_obstacle(d,
			     "pid %d: its %s namespace belongs to another user namespace than the one it was "
			     "made in here; not supported, stop that task",
			     ns->task->pid, ns_names[ns->kind]);
}

/* A user or pid namespace is made by the parent of its first task, which must stand in the one around it. */
static int survey_maker(struct dump *d, const struct ns *ns)
{
	const struct task *p = ns->task->parent;
	const struct ns *around;

	if (ns->kind == NS_PID)
		around = p ? p->ns[NS_PID] : NULL;
	else if (ns->kind == NS_USER && owns_any(d, ns))
		around = p ? clone_user(d, p) : NULL;
	else
		return 0;
	if (ns->parent == around)
		return 0;
	return dump_obstacle(d,
			     "pid %d: the maker of its %s namespace is gone, and its parent is in another; "
			     "not supported, stop that task",
			     ns->task->pid, ns_names[ns->kind]);
}

/* Owner or parent exists and is one we neither know nor are in. */
static int survey_relative(struct dump *d, const struct ns *ns, unsigned long request, const char *what)
{
	_cleanup_close_ int fd = ioctl(ns->fd, request);
	uint64_t own_user, own_pid;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0; /* EPERM: above us */
	if (proc_ns_ino(getpid(), "user", &own_user) < 0 || proc_ns_ino(getpid(), "pid", &own_pid) < 0)
		return 0;
	if (st.st_ino == own_user || st.st_ino == own_pid || dump_find_ns(d, st.st_ino))
		return 0;
	return dump_obstacle(d,
			     "pid %d: the %s of its %s namespace has no task in it and cannot be made again; "
			     "stop that task",
			     ns->task->pid, what, ns_names[ns->kind]);
}

static int survey_children_link(struct dump *d, const struct task *t, const char *kind)
{
	_cleanup_free_ char *now = NULL, *later = NULL;
	char path[40];

	snprintf(path, sizeof(path), "ns/%s", kind);
	if (readlink_at(t->proc, path, &now) < 0)
		return 0;
	snprintf(path, sizeof(path), "ns/%s_for_children", kind);
	if (readlink_at(t->proc, path, &later) < 0 || streq(now, later))
		return 0;
	return dump_obstacle(d, "pid %d: it has unshared its %s namespace but no child is in it yet; stop it",
			     t->pid, kind);
}

static int survey_thread(struct dump *d, const struct task *t, int tid)
{
	for (int k = 0; k < NS_KINDS; k++) {
		_cleanup_free_ char *leader = NULL, *own = NULL;
		char path[64];
		int err;

		snprintf(path, sizeof(path), "ns/%s", ns_names[k]);
		if (readlink_at(t->proc, path, &leader) < 0)
			continue;
		snprintf(path, sizeof(path), "task/%d/ns/%s", tid, ns_names[k]);
		if (readlink_at(t->proc, path, &own) < 0 || streq(leader, own))
			continue;
		err = dump_obstacle(
			d, "pid %d thread %d: it is in another %s namespace than its process; stop it",
			t->pid, tid, ns_names[k]);
		if (err < 0)
			return err;
	}
	return 0;
}

static int survey_threads(struct dump *d, const struct task *t)
{
	_cleanup_free_ int *tids = NULL;
	size_t n = 0;
	int err = 0;

	if (proc_list(t->proc, "task", &tids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && !err; i++)
		if (tids[i] != t->pid)
			err = survey_thread(d, t, tids[i]);
	return err;
}

/* "net:[4026532000]" of a namespace nobody we dump is in. */
static bool link_unknown(const struct dump *d, const char *link)
{
	for (int k = 0; k < NS_KINDS; k++) {
		const char *p = startswith(link, ns_names[k]);
		uint64_t own, ino;

		if (!p || !(p = startswith(p, ":[")))
			continue;
		ino = strtoull(p, NULL, 10);
		return !dump_find_ns(d, ino) && proc_ns_ino(getpid(), ns_names[k], &own) == 0 && own != ino;
	}
	return false;
}

static int survey_fds(struct dump *d, const struct task *t)
{
	_cleanup_free_ int *fds = NULL;
	size_t n = 0;
	int err = 0;

	if (proc_list(t->proc, "fd", &fds, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && !err; i++) {
		_cleanup_free_ char *link = NULL;
		char path[32];

		snprintf(path, sizeof(path), "fd/%d", fds[i]);
		if (readlink_at(t->proc, path, &link) == 0 && link_unknown(d, link))
			err = dump_obstacle(
				d, "pid %d fd %d (%s): a namespace without a process in it; close it", t->pid,
				fds[i], link);
	}
	return err;
}

/* Bind mounts of namespaces ("ip netns add"): root field "net:[N]" of type nsfs. */
static int survey_mounts(struct dump *d, const struct task *t)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;
	int err = 0;

	if (read_text_at(t->proc, "mountinfo", &text) < 0)
		return 0;
	for (p = text; !err && (line = next_line(&p));) {
		char root[256], point[256];

		if (!strstr(line, " - nsfs ") || sscanf(line, "%*s %*s %*s %255s %255s", root, point) != 2)
			continue;
		if (link_unknown(d, root))
			err = dump_obstacle(
				d,
				"pid %d: %s is the mount of a namespace (%s) without a process in "
				"it; unmount it",
				t->pid, point, root);
	}
	return err;
}

static int survey_task(struct dump *d, const struct task *t)
{
	int err = survey_children_link(d, t, "pid");

	if (!err)
		err = survey_children_link(d, t, "time");
	if (!err)
		err = survey_threads(d, t);
	if (!err)
		err = survey_fds(d, t);
	if (!err && t->ns[NS_MNT] && t->ns[NS_MNT]->task == t)
		err = survey_mounts(d, t);
	return err;
}

int ns_survey(struct dump *d)
{
	int err = 0;

	for (size_t i = 0; i < d->n_ns && !err; i++) {
		const struct ns_ops *ops = ns_ops_of(d->ns[i]->kind);

		err = survey_owner(d, d->ns[i]);
		if (!err)
			err = survey_maker(d, d->ns[i]);
		if (!err)
			err = d->ns[i]->kind == NS_USER
				      ? 0
				      : survey_relative(d, d->ns[i], NS_GET_USERNS, "owner");
		if (!err && (d->ns[i]->kind == NS_USER || d->ns[i]->kind == NS_PID))
			err = survey_relative(d, d->ns[i], NS_GET_PARENT, "parent");
		if (!err && ops && ops->survey)
			err = ops->survey(d, d->ns[i]);
	}
	for (size_t i = 0; i < d->n_tasks && !err; i++)
		err = survey_task(d, d->tasks[i]);
	return err;
}
