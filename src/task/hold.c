/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holding the tree: the container's freezer keeps it from changing while every thread is seized,
 * then it is thawed and all are held by ptrace alone (v1 tasks reach their stop only then). Tasks
 * without a freezer are seized until no new thread shows up.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "cgroup/cgroup.h"
#include "remote/infect.h"
#include "task/peek.h"
#include "task/task.h"

#define STOP_TIMEOUT_MS 5000

/* Who traces it: TracerPid of status, 0 if nobody. */
static uint64_t tracer_of(pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	uint64_t tracer = 0;

	if (proc_read(tid, "status", &status) >= 0)
		(void)key_u64(status, "TracerPid", 10, &tracer);
	return tracer;
}

static int seize_task(struct task *t)
{
	for (size_t i = 0; i < t->n_threads; i++) {
		int ret;

		if (t->state == TASK_ZOMBIE)
			continue;
		ret = infect_seize(t->threads[i].tid);
		if (ret == -EPERM && tracer_of(t->threads[i].tid) == (uint64_t)getpid())
			continue;
		if (ret == -EPERM)
			return log_errno(
				ret, "pid %d thread %d is traced by pid %llu; end the debugger first", t->pid,
				t->threads[i].tid, (unsigned long long)tracer_of(t->threads[i].tid));
		if (ret == -ESRCH)
			return -EAGAIN;
		if (ret < 0)
			return log_errno(ret, "pid %d thread %d: PTRACE_SEIZE", t->pid, t->threads[i].tid);
	}
	return 0;
}

static int wait_thread(struct task *t, struct task_thread *th)
{
	int status, ret = infect_wait(th->tid, STOP_TIMEOUT_MS, &status);

	if (ret == -ETIMEDOUT)
		log_info("pid %d thread %d does not stop (vfork, or uninterruptible sleep)", t->pid, th->tid);
	if (ret == -ETIMEDOUT || ret == -ESRCH || ret == -ECHILD)
		return -EAGAIN;
	if (ret >= 0)
		ret = infect_read(th->tid, status, &th->inf);
	if (ret < 0)
		return log_errno(ret, "pid %d thread %d: stop", t->pid, th->tid);
	return 0;
}

static int wait_tree(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
			if (t->state != TASK_ZOMBIE && !t->threads[k].inf)
				ret = wait_thread(t, &t->threads[k]);
	}
	return ret;
}

static int peek_tree(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
		ret = task_peek(d->tasks[i]);
	return ret;
}

/* With a freezer nothing changes between the survey and the last interrupt. */
static int hold_frozen(struct dump *d, pid_t root, struct freezer *f)
{
	int ret = freezer_freeze(f, STOP_TIMEOUT_MS), thaw;

	if (ret >= 0)
		ret = tree_survey(d, root);
	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
		ret = seize_task(d->tasks[i]);
	thaw = freezer_thaw(f);
	if (ret >= 0)
		ret = thaw;
	return ret < 0 ? ret : wait_tree(d);
}

/* The number of threads alive, to see whether the tree is complete. */
static size_t count_threads(const struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_tasks; i++)
		n += d->tasks[i]->n_threads;
	return n;
}

/*
 * Without one: stop what is seen, look again; a second look that shows the same tree is the end.
 * Threads already held are found by their tracer. Their first stop is waited for once, at the end.
 */
static int hold_loose(struct dump *d, pid_t root)
{
	size_t before = 0;
	int ret;

	for (int round = 0; round < 64; round++) {
		ret = tree_survey(d, root);
		for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
			ret = seize_task(d->tasks[i]);
		if (ret == -EAGAIN)
			continue;
		if (ret < 0)
			return ret;
		if (before == count_threads(d))
			return wait_tree(d);
		before = count_threads(d);
		usleep(300);
	}
	return -EAGAIN;
}

int tree_hold(struct dump *d, pid_t root, struct freezer *f)
{
	int ret = f ? hold_frozen(d, root, f) : hold_loose(d, root);

	if (ret >= 0)
		ret = tree_share(d);
	return ret < 0 ? ret : peek_tree(d);
}

int tree_infect(struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];
		int ret;

		if (t->state == TASK_ZOMBIE)
			continue;
		ret = infect_start(t->threads[0].inf, t->pidfd, t->n_threads);
		for (size_t k = 1; ret >= 0 && k < t->n_threads; k++)
			infect_lend(t->threads[0].inf, k, t->threads[k].inf);
		if (ret < 0)
			return log_errno(ret, "pid %d: the executor could not be started", t->pid);
		t->hand = &t->threads[0].inf->hand;
	}
	return 0;
}

int tree_cure(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		t->hand = NULL;
		/* the leader last: the frames of the others lie in its arena */
		for (size_t k = t->n_threads; k-- > 0;) {
			int err = t->threads[k].inf ? infect_cure(t->threads[k].inf) : 0;

			if (err < 0 && err != -ESRCH)
				ret = log_errno(err, "pid %d thread %d: cure", t->pid, t->threads[k].tid);
		}
	}
	return ret;
}

static void release_thread(struct task_thread *th)
{
	int status;

	if (th->inf) {
		infect_detach(TAKE_PTR(th->inf));
		return;
	}
	/* Seized, but its stop was never taken. */
	if (tracer_of(th->tid) == (uint64_t)getpid() && infect_wait(th->tid, STOP_TIMEOUT_MS, &status) >= 0)
		ptrace(PTRACE_DETACH, th->tid, 0, 0);
}

void tree_release(struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		for (size_t k = 0; k < d->tasks[i]->n_threads; k++)
			if (d->tasks[i]->state != TASK_ZOMBIE)
				release_thread(&d->tasks[i]->threads[k]);
}
