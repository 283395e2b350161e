/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of tasks can be seen to be an obstacle without stopping them. */
#include <stdio.h>

#include "base/parse.h"
#include "base/procfs.h"
#include "task/task.h"

#define LEADER_LOOKS 10
#define LEADER_PAUSE_US 10000

static int survey_tracer(struct dump *d, const struct task *t, const char *status)
{
	uint64_t tracer = 0;

	if (key_u64(status, "TracerPid", 10, &tracer) < 0 || !tracer)
		return 0;
	return dump_obstacle(d, "pid %d is traced by pid %llu; end the debugger first", t->pid,
			     (unsigned long long)tracer);
}

/* Sessions and groups that begin outside the tree come back only with --shell-job. */
static int survey_session(struct dump *d, const struct task *t, const char *status)
{
	const char *p = key_value(status, "NSsid");
	int32_t sid;

	if (!p || d->opt->shell_job || t->parent || sscanf(p, "%d", &sid) != 1 || sid == t->pid)
		return 0;
	if (t->ns[NS_PID])
		return 0;
	return dump_obstacle(d, "pid %d: its session %d began outside of what is dumped; use --shell-job",
			     t->pid, sid);
}

/* A process that ends looks the same for a moment. */
static int survey_leader(struct dump *d, const struct task *t)
{
	size_t n = 0;

	for (int i = 0; t->state == TASK_ZOMBIE && i < LEADER_LOOKS; i++) {
		_cleanup_free_ int *tids = NULL;

		if (proc_list(t->proc, "task", &tids, &n) < 0 || n < 2)
			return 0;
		usleep(LEADER_PAUSE_US);
	}
	return n < 2 ? 0
		     : dump_obstacle(d,
				     "pid %d: its main thread has ended, %zu others go on; cannot be dumped",
				     t->pid, n - 1);
}

int tasks_survey(struct dump *d)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++) {
		_cleanup_free_ char *status = NULL;

		if (read_text_at(d->tasks[i]->proc, "status", &status) < 0)
			continue; /* it ended */
		ret = survey_tracer(d, d->tasks[i], status);
		if (ret >= 0)
			ret = survey_leader(d, d->tasks[i]);
		if (ret >= 0)
			ret = survey_session(d, d->tasks[i], status);
	}
	return ret;
}
