/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The survey: descriptions of running tasks are stolen and identified as for a dump, each kind says what
 * stands in the way, and all are let go again. What closes meanwhile is passed over.
 */
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/table.h"

static int survey_desc(struct dump *d, const struct file_desc *f)
{
	const struct file_ops *ops = file_ops_match(f);

	if (!ops)
		return dump_obstacle(d, "pid %d fd %d (%s): a kind of file ctcr does not know; close it",
				     f->task->pid, f->task_fd, f->link);
	if (strstr(f->fdinfo, "\nlock:") && !d->opt->file_locks)
		return dump_obstacle(d, "%s: has a file lock; pass --file-locks", file_desc_name(f));
	return ops->survey ? ops->survey(d, f) : 0;
}

/* Threads with descriptors of their own (CLONE_THREAD without CLONE_FILES). */
static int survey_threads(struct dump *d, struct task *t)
{
	_cleanup_free_ int *tids = NULL;
	size_t n;

	if (proc_list(t->proc, "task", &tids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (tids[i] != t->pid && sys_kcmp(t->pid, tids[i], KCMP_FILES, 0, 0) > 0)
			return dump_obstacle(
				d, "pid %d: thread %d has a descriptor table of its own; not supported",
				t->pid, tids[i]);
	return 0;
}

static int survey_task(struct dump *d, struct task *t)
{
	int err;

	if (t->state == TASK_ZOMBIE)
		return 0;
	err = survey_threads(d, t);
	if (err < 0 || (t->files_id && !t->files_first))
		return err;
	return files_collect_table(d, t);
}

int files_survey(struct dump *d)
{
	int err = 0;

	files_dump_done(d);
	if (!files_of(d))
		return -ENOMEM;
	d->files->running = true;
	for (size_t i = 0; i < d->n_tasks && err >= 0; i++)
		err = survey_task(d, d->tasks[i]);
	for (size_t i = 0; i < d->files->n && err >= 0; i++)
		err = survey_desc(d, d->files->descs[i]);
	files_dump_done(d);
	return err;
}
