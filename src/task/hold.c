/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holding the tree: the container's freezer keeps it from changing while every thread is seized,
 * then it is thawed and all are held by ptrace alone (v1 tasks reach their stop only then). Tasks
 * without a freezer are seized until no new thread shows up.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "cgroup/cgroup.h"
#include "remote/infect.h"
#include "task/peek.h"
#include "task/task.h"

#define STOP_TIMEOUT_MS 10000 /* without --timeout; so says ctcr(1) */
#define SHORT_STOP_MS 100

/* Who traces it: TracerPid of status, 0 if nobody. */
static uint64_t tracer_of(pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	uint64_t tracer = 0;

	if (proc_read(tid, "status", &status) >= 0)
		(void)key_u64(status, "TracerPid", 10, &tracer);
	return tracer;
}

/* *@fresh counts the threads that were not ours before. */
static int seize_task(struct task *t, size_t *fresh)
{
	if (t->state == TASK_ZOMBIE && t->n_threads > 1)
		return -EAGAIN; /* it is ending, or the survey refuses it */
	for (size_t i = 0; i < t->n_threads; i++) {
		int ret;

		if (t->state == TASK_ZOMBIE)
			continue;
		ret = infect_seize(t->threads[i].tid);
		*fresh += ret >= 0;
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

/* A parent in vfork() stops when its child is done, and we hold the child: no use to wait. */
static bool in_clone(pid_t tid)
{
	_cleanup_free_ char *call = NULL;
	long nr;

	return proc_read(tid, "syscall", &call) >= 0 && sscanf(call, "%ld", &nr) == 1 &&
	       (nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3);
}

static int stop_timeout(const struct dump *d)
{
	return d->opt->timeout ? (int)MIN(d->opt->timeout, 3600U) * 1000 : STOP_TIMEOUT_MS;
}

static int wait_thread(const struct dump *d, struct task *t, struct task_thread *th)
{
	int status, ret = infect_wait(th->tid, SHORT_STOP_MS, &status);

	if (ret == -ETIMEDOUT && !in_clone(th->tid))
		ret = infect_wait(th->tid, stop_timeout(d), &status);
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
				ret = wait_thread(d, t, &t->threads[k]);
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

/*
 * Before the freezer: a stopped task that v1 has frozen too would let PTRACE_SEIZE wait for its thaw
 * (JOBCTL_TRAPPING, kernel/ptrace.c), and nobody could end us but by SIGKILL.
 */
static int seize_stopped(struct dump *d, pid_t root)
{
	int ret = tree_survey(d, root);
	size_t fresh = 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
		if (d->tasks[i]->state == TASK_STOPPED)
			ret = seize_task(d->tasks[i], &fresh);
	return ret;
}

/* With a freezer nothing changes between the survey and the last interrupt. */
static int hold_frozen(struct dump *d, pid_t root, struct freezer *f)
{
	int ret = freezer_was_frozen(f) ? 0 : seize_stopped(d, root), thaw;
	size_t fresh = 0;

	if (ret >= 0)
		ret = freezer_freeze(f, stop_timeout(d));
	if (ret >= 0)
		ret = tree_survey(d, root);
	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
		ret = seize_task(d->tasks[i], &fresh);
	thaw = freezer_thaw(f);
	if (ret >= 0)
		ret = thaw;
	return ret < 0 ? ret : wait_tree(d);
}

/*
 * Without one: stop what is seen, look again; a look that shows nobody new is the end.
 * Threads already held are found by their tracer. Their first stop is waited for once, at the end.
 */
static int hold_loose(struct dump *d, pid_t root)
{
	int ret;

	for (int round = 0; round < 64; round++) {
		size_t fresh = 0;

		ret = tree_survey(d, root);
		for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
			ret = seize_task(d->tasks[i], &fresh);
		if (ret == -EAGAIN)
			continue;
		if (ret < 0)
			return ret;
		if (!fresh)
			return wait_tree(d);
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
	_cleanup_free_ struct infection **v = calloc(d->n_tasks + 1, sizeof(*v));
	_cleanup_free_ struct infect_process *of = calloc(d->n_tasks + 1, sizeof(*of));
	size_t n = 0, which;
	int ret;

	if (!v || !of)
		return log_oom();
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		if (t->state == TASK_ZOMBIE)
			continue;
		v[n] = t->threads[0].inf;
		of[n++] = (struct infect_process){ t->pidfd, t->n_threads };
	}
	ret = infect_start(v, of, n, &which);
	if (ret < 0)
		return log_errno(ret, "pid %d: the executor could not be started", n ? v[which]->tid : 0);
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		if (t->state != TASK_ZOMBIE)
			t->hand = &t->threads[0].inf->hand;
		for (size_t k = 1; t->hand && k < t->n_threads; k++)
			infect_lend(t->threads[0].inf, k, t->threads[k].inf);
	}
	return 0;
}

int tree_cure(struct dump *d)
{
	size_t n = 0;
	_cleanup_free_ struct task_thread **th = tree_threads(d, 0, &n);
	_cleanup_free_ struct infection **v = calloc(n + 1, sizeof(*v));
	_cleanup_free_ int *errs = calloc(n + 1, sizeof(*errs));
	int ret = -ENOMEM;

	for (size_t i = 0; th && v && i < n; i++)
		v[i] = th[i]->inf;
	if (th && v && errs)
		ret = infect_cure(v, n, errs);
	if (ret < 0)
		return log_errno(ret, "cure");
	for (size_t i = 0; i < d->n_tasks; i++)
		d->tasks[i]->hand = NULL;
	for (size_t i = 0; i < n; i++)
		if (errs[i] < 0 && errs[i] != -ESRCH)
			ret = log_errno(errs[i], "thread %d: cure", v[i]->tid);
	return ret;
}

/* Seized, but its stop was never taken. */
static void release_running(struct task_thread *th)
{
	int status;

	if (tracer_of(th->tid) == (uint64_t)getpid() && infect_wait(th->tid, STOP_TIMEOUT_MS, &status) >= 0)
		ptrace(PTRACE_DETACH, th->tid, 0, 0);
}

/* Those that are stopped first: others may wait for them (vfork). */
void tree_release(struct dump *d)
{
	for (int stopped = 1; stopped >= 0; stopped--)
		for (size_t i = 0; i < d->n_tasks; i++)
			for (size_t k = 0; k < d->tasks[i]->n_threads; k++) {
				struct task_thread *th = &d->tasks[i]->threads[k];

				if (stopped && th->inf)
					infect_detach(TAKE_PTR(th->inf));
				else if (!stopped && d->tasks[i]->state != TASK_ZOMBIE)
					release_running(th);
			}
}
