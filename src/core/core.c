/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "base/io.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "core/dump.h"
#include "core/restore.h"

const char *const ns_names[NS_KINDS] = {
	[NS_USER] = "user", [NS_PID] = "pid", [NS_MNT] = "mnt",	      [NS_NET] = "net",
	[NS_IPC] = "ipc",   [NS_UTS] = "uts", [NS_CGROUP] = "cgroup", [NS_TIME] = "time",
};

const uint64_t ns_flags[NS_KINDS] = {
	[NS_USER] = CLONE_NEWUSER,     [NS_PID] = CLONE_NEWPID,	  [NS_MNT] = CLONE_NEWNS,
	[NS_NET] = CLONE_NEWNET,       [NS_IPC] = CLONE_NEWIPC,	  [NS_UTS] = CLONE_NEWUTS,
	[NS_CGROUP] = CLONE_NEWCGROUP, [NS_TIME] = CLONE_NEWTIME,
};

int dump_obstacle(struct dump *d, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (!text || !GROW(d->obstacles, d->n_obstacles)) {
		free(text);
		return -ENOMEM;
	}
	d->obstacles[d->n_obstacles++] = text;
	return 0;
}

struct task *dump_find_task(const struct dump *d, pid_t pid)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		if (d->tasks[i]->pid == pid)
			return d->tasks[i];
	return NULL;
}

struct ns *dump_find_ns(const struct dump *d, uint64_t ino)
{
	for (size_t i = 0; i < d->n_ns; i++)
		if (d->ns[i]->ino == ino)
			return d->ns[i];
	return NULL;
}

pid_t task_ns_pid(const struct task *t)
{
	_cleanup_free_ char *status = NULL;
	int v[32], n;

	if (read_text_at(t->proc, "status", &status) < 0)
		return -ESRCH;
	n = proc_ns_numbers(status, "NSpid", v);
	return n ? v[n - 1] : t->pid;
}

struct rtask *restore_task_in(const struct restore *r, enum ns_kind kind, uint32_t ns_id)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		struct rtask *t = &r->tasks[i];

		if (!t->hand || t->msg->n_ns_ids != NS_KINDS)
			continue;
		if (!ns_id || t->msg->ns_ids[kind] == ns_id)
			return t;
	}
	return NULL;
}

struct rtask *restore_find_pid(const struct restore *r, int32_t ns_pid)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		const TaskEntry *msg = r->tasks[i].msg;

		if (msg->n_ns_pids && msg->ns_pids[msg->n_ns_pids - 1] == ns_pid)
			return &r->tasks[i];
	}
	return NULL;
}
