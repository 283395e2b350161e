/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of tasks at dump time: /proc/PID/task/TID/children from the root down, zombies included.
 * Sharing of address spaces, descriptor tables, fs structs and signal handlers is found by kcmp(2),
 * whose order lets each table be a sorted array.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "remote/infect.h"
#include "task/task.h"

static void task_free(struct task *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_threads; i++) {
		infect_free(t->threads[i].inf);
		free(t->threads[i].said);
		if (t->threads[i].msg)
			thread_entry__free_unpacked(t->threads[i].msg, NULL);
	}
	if (t->msg)
		task_entry__free_unpacked(t->msg, NULL);
	free(t->said);
	free(t->threads);
	close_fd(&t->pidfd);
	close_fd(&t->proc);
	free(t);
}

void tree_clear(struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		task_free(d->tasks[i]);
	free(d->tasks);
	d->tasks = NULL;
	d->n_tasks = 0;
}

struct task_thread **tree_threads(const struct dump *d, size_t first, size_t *ret_n)
{
	struct task_thread **v;
	size_t n = 0;

	for (size_t i = 0; i < d->n_tasks; i++)
		n += d->tasks[i]->n_threads;
	v = calloc(n + 1, sizeof(*v));
	n = 0;
	for (size_t i = 0; v && i < d->n_tasks; i++)
		for (size_t k = first; k < d->tasks[i]->n_threads; k++)
			if (d->tasks[i]->threads[k].inf)
				v[n++] = &d->tasks[i]->threads[k];
	*ret_n = n;
	return v;
}

static int read_state(struct task *t)
{
	_cleanup_free_ char *stat = NULL;
	const char *state;
	int ret = read_text_at(t->proc, "stat", &stat);

	if (ret < 0)
		return ret;
	state = proc_stat_field(stat, 3);
	if (!state)
		return -EINVAL;
	if (*state == 'X')
		return -ESRCH;
	t->state = *state == 'Z' ? TASK_ZOMBIE : *state == 'T' ? TASK_STOPPED : TASK_RUNNING;
	return 0;
}

static int read_threads(struct task *t)
{
	_cleanup_free_ int *tids = NULL;
	size_t n;
	int ret = proc_list(t->proc, "task", &tids, &n);

	if (ret < 0)
		return ret;
	t->threads = calloc(MAX(n, 1), sizeof(*t->threads));
	if (!t->threads)
		return -ENOMEM;
	t->threads[t->n_threads++].tid = t->pid;
	for (size_t i = 0; i < n; i++)
		if (tids[i] != t->pid)
			t->threads[t->n_threads++].tid = tids[i];
	return 0;
}

static int task_open(pid_t pid, struct task *parent, struct task **ret_task)
{
	struct task *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	t->pid = pid;
	t->parent = parent;
	t->proc = -1;
	t->pidfd = sys_pidfd_open(pid, 0);
	ret = t->pidfd < 0 ? -errno : 0;
	if (ret >= 0) {
		t->pidfd = fd_high(t->pidfd);
		t->proc = proc_open(pid);
		ret = t->proc < 0 ? t->proc : 0;
	}
	if (ret >= 0) {
		t->proc = fd_high(t->proc);
		ret = read_state(t);
	}
	if (ret >= 0)
		ret = read_threads(t);
	if (ret < 0) {
		task_free(t);
		return ret;
	}
	*ret_task = t;
	return 0;
}

static int tree_add(struct dump *d, pid_t pid, struct task *parent)
{
	struct task *t;
	int ret;

	if (pid == getpid()) {
		log_error("pid %d is ctcr itself: it cannot dump a tree that it is part of", pid);
		return -ECANCELED;
	}
	ret = task_open(pid, parent, &t);
	if (ret < 0)
		return ret;
	if (!GROW(d->tasks, d->n_tasks)) {
		task_free(t);
		return -ENOMEM;
	}
	t->id = d->n_tasks + 1;
	d->tasks[d->n_tasks++] = t;
	return 0;
}

int tree_survey(struct dump *d, pid_t root)
{
	int ret;

	tree_clear(d);
	ret = tree_add(d, root, NULL);
	if (ret < 0)
		return ret == -ECANCELED ? -EINVAL : log_errno(ret, "pid %d", root);
	for (size_t i = 0; i < d->n_tasks; i++) {
		_cleanup_free_ pid_t *kids = NULL;
		size_t n = 0;

		ret = proc_children(d->tasks[i]->pid, &kids, &n);
		for (size_t k = 0; ret >= 0 && k < n; k++) {
			ret = tree_add(d, kids[k], d->tasks[i]);
			if (ret == -ESRCH || ret == -ENOENT)
				ret = 0;
		}
		if (ret == -ECANCELED)
			return -EINVAL;
		if (ret < 0 && ret != -ESRCH && ret != -ENOENT)
			return log_errno(ret, "pid %d: children", d->tasks[i]->pid);
	}
	return 0;
}

/* Representatives of one resource, in kcmp order. */
struct share {
	int type;
	struct task **reps;
	size_t n;
	size_t id_offset, first_offset;
};

static uint32_t *share_id(const struct share *s, struct task *t)
{
	return (uint32_t *)((char *)t + s->id_offset);
}

static int share_add(struct share *s, struct task *t)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = sys_kcmp(t->pid, s->reps[mid]->pid, s->type, 0, 0);

		if (c < 0 && errno != ESRCH) /* the survey's tasks run; one that has ended shares nothing */
			return log_errno(-errno, "pid %d: kcmp", t->pid);
		if (c == 0) {
			*share_id(s, t) = *share_id(s, s->reps[mid]);
			return 0;
		}
		if (c == 1 || c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (!GROW(s->reps, s->n))
		return log_oom();
	memmove(s->reps + lo + 1, s->reps + lo, (s->n - lo) * sizeof(*s->reps));
	s->reps[lo] = t;
	*share_id(s, t) = ++s->n;
	*((bool *)t + s->first_offset) = true;
	return 0;
}

int tree_share(struct dump *d)
{
	struct share shares[] = {
		{ KCMP_VM, NULL, 0, offsetof(struct task, mm_id), offsetof(struct task, mm_first) },
		{ KCMP_FILES, NULL, 0, offsetof(struct task, files_id), offsetof(struct task, files_first) },
		{ KCMP_FS, NULL, 0, offsetof(struct task, fs_id), offsetof(struct task, fs_first) },
		{ KCMP_SIGHAND, NULL, 0, offsetof(struct task, sighand_id),
		  offsetof(struct task, sighand_first) },
	};
	int ret = 0;

	for (size_t k = 0; k < ARRAY_SIZE(shares); k++) {
		for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
			if (d->tasks[i]->state != TASK_ZOMBIE)
				ret = share_add(&shares[k], d->tasks[i]);
		free(shares[k].reps);
	}
	return ret;
}
