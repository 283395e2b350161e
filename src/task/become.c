/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads, and everything of a task but its registers, by its hands. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"
#include "task/kinds.h"
#include "task/store.h"
#include "task/task.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* The innermost pid of thread @tid of @t, to tell which is which. */
static int inner_tid(struct rtask *t, int tid)
{
	_cleanup_free_ char *status = NULL;
	char path[64];
	int v[32], n;

	snprintf(path, sizeof(path), "task/%d/status", tid);
	if (proc_read(t->pid, path, &status) < 0)
		return -ESRCH;
	n = proc_ns_numbers(status, "NSpid", v);
	return n ? v[n - 1] : -EINVAL;
}

static int find_tids(struct rtask *t)
{
	_cleanup_close_ int dir = proc_open(t->pid);
	_cleanup_free_ int *tids = NULL;
	size_t n = 0;
	int ret = dir < 0 ? dir : proc_list(dir, "task", &tids, &n);

	for (size_t i = 0; ret >= 0 && i < n; i++) {
		int inner = inner_tid(t, tids[i]);

		for (size_t k = 1; k < t->n_threads; k++)
			if (t->threads[k].msg->tid == inner)
				t->threads[k].tid = tids[i];
	}
	for (size_t k = 1; ret >= 0 && k < t->n_threads; k++)
		if (!t->threads[k].tid)
			ret = -ESRCH;
	return ret;
}

int threads_clone(struct restore *r, struct rtask *t)
{
	int ret = 0;

	for (size_t k = 1; ret >= 0 && k < t->n_threads; k++) {
		const ThreadEntry *m = t->threads[k].msg;
		const struct clone_spec spec = { m->ns_tids, m->n_ns_tids, THREAD_FLAGS, 0 };
		int none;

		ret = clone_task(r, t->hand, &spec, &t->threads[k].hand, &none);
		if (ret < 0)
			return log_errno(ret, "pid %d: thread %d cannot be cloned", t->msg->pid, m->tid);
		t->threads[k].hand->pid = t->pid;
		t->threads[k].hand->pidfd = t->pidfd;
	}
	if (t->n_threads > 1)
		ret = find_tids(t);
	return ret < 0 ? log_errno(ret, "pid %d: threads", t->msg->pid) : 0;
}

static int become_thread(struct restore *r, struct rtask *t, struct rthread *th)
{
	const ThreadEntry *m = th->msg;
	/* LXC's init dies with its parent; when that is us, and we leave, it had better not. */
	bool orphaned = t == &r->tasks[0] && r->opt->detached && !r->opt->restore_sibling;
	int ret = 0;

	if (m->has_cgroup_id && th != &r->tasks[0].threads[0])
		ret = cgroup_place(r, th->tid, m->cgroup_id);
	remote_call(th->hand, SYS_prctl, PR_SET_NAME, remote_str(th->hand, m->comm));
	if (ret >= 0)
		ret = remote_run(th->hand);
	if (ret >= 0)
		ret = sched_restore(th);
	if (ret >= 0)
		ret = signals_restore_thread(th);
	if (ret >= 0)
		ret = switches_restore(th);
	if (ret >= 0)
		ret = creds_restore(th);
	if (ret >= 0 && m->has_pdeath_sig && !orphaned)
		ret = (int)remote_syscall(th->hand, SYS_prctl, PR_SET_PDEATHSIG, m->pdeath_sig);
	return ret < 0 ? log_errno(ret, "pid %d thread %d: %s", t->msg->pid, m->tid, "state") : 0;
}

int task_become(struct restore *r, struct rtask *t)
{
	int ret = signals_restore(t);

	if (ret >= 0)
		ret = limits_restore(t);
	if (ret < 0)
		return log_errno(ret, "pid %d", t->msg->pid);
	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++)
		ret = become_thread(r, t, &t->threads[k]);
	if (ret < 0)
		return ret;
	if (t->msg->has_dumpable)
		remote_call(t->hand, SYS_prctl, PR_SET_DUMPABLE, t->msg->dumpable == 1);
	ret = remote_run(t->hand);
	if (ret >= 0)
		ret = signals_queue(t);
	if (ret >= 0)
		ret = timers_restore(t);
	return ret < 0 ? log_errno(ret, "pid %d: signals and timers", t->msg->pid) : 0;
}
