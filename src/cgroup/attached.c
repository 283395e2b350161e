/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that came into the container from outside (lxc-attach): in its cgroup, but no descendants of its
 * init. Nothing outside knows them as the container's, so they are not in the image.
 */
#include <fcntl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/map.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "cgroup/table.h"

static pid_t parent_of(pid_t pid)
{
	_cleanup_free_ char *status = NULL;
	uint64_t ppid;

	if (proc_read(pid, "status", &status) < 0 || key_u64(status, "PPid", 10, &ppid) < 0)
		return -ESRCH;
	return (pid_t)ppid;
}

bool cg_is_stranger(pid_t pid, pid_t root)
{
	while (pid > 0 && pid != root)
		pid = parent_of(pid);
	return pid == 0;
}

static void say_attached(const struct dump *d, pid_t pid)
{
	_cleanup_free_ char *comm = NULL;

	if (proc_read(pid, "comm", &comm) < 0)
		return; /* it has left */
	comm[strcspn(comm, "\n")] = 0;
	log_warn("pid %d (%s): came into the container from outside (lxc-attach); it is not in the image%s",
		 pid, comm, d->opt->leave_running ? "" : " and ends with the container");
}

void cg_survey_attached(const struct dump *d)
{
	_cleanup_close_ int dir = -1;
	_cleanup_free_ pid_t *list = NULL;
	_cleanup_(map_done) struct map tree = { 0 };
	size_t n = 0;

	if (!d->opt->freeze_cgroup)
		return;
	dir = open(d->opt->freeze_cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || cg_read_pids_below(dir, "cgroup.procs", &list, &n) < 0)
		return; /* freezer_open() says so */
	for (size_t i = 0; i < d->n_tasks; i++)
		if (map_put(&tree, d->tasks[i]->pid, d->tasks[i]) < 0)
			return;
	for (size_t i = 0; i < n; i++)
		if (list[i] > 0 && !map_get(&tree, list[i]) && cg_is_stranger(list[i], d->tasks[0]->pid))
			say_attached(d, list[i]);
}
