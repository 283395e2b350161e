/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The survey: all obstacles at once, before anybody is stopped; `ctcr check` is this alone. */
#include "base/log.h"
#include "cgroup/cgroup.h"
#include "engine/dumping.h"
#include "engine/engine.h"
#include "engine/roads.h"
#include "file/file.h"
#include "mem/mem.h"
#include "mnt/mnt.h"
#include "net/net.h"
#include "ns/ns.h"
#include "sock/sock.h"
#include "task/task.h"

static int (*const surveys[])(struct dump *) = {
	ns_collect,   ns_survey,  tree_share,	 tasks_survey, mnt_survey,
	files_survey, mem_survey, cgroup_survey, net_survey,
};

static void forget_obstacles(struct dump *d)
{
	for (size_t i = 0; i < d->n_obstacles; i++)
		free(d->obstacles[i]);
	free(d->obstacles);
	d->obstacles = NULL;
	d->n_obstacles = 0;
}

void dump_forget(struct dump *d)
{
	sock_dump_done(d);
	files_dump_done(d);
	mnt_dump_done(d);
	cgroup_dump_done(d);
	ns_dump_done(d);
	tree_clear(d);
	forget_obstacles(d);
}

/* What a process that is just leaving (lxc-attach's) had open is gone a moment later. */
#define SECOND_LOOK_US 150000

static int look(struct dump *d, pid_t root)
{
	int ret = tree_survey(d, root);

	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(surveys); i++)
		ret = surveys[i](d);
	return ret >= 0 && d->n_obstacles ? -EOPNOTSUPP : ret;
}

int dump_survey(struct dump *d, pid_t root)
{
	int ret = look(d, root);

	if (ret == -EOPNOTSUPP && d->n_obstacles) {
		dump_forget(d);
		usleep(SECOND_LOOK_US);
		ret = look(d, root);
	}
	for (size_t i = 0; i < d->n_obstacles; i++)
		log_error("%s", d->obstacles[i]);
	dump_forget(d);
	return ret;
}

int engine_check(const struct options *opt)
{
	struct dump d = { .opt = opt };
	int ret = engine_limits();

	return ret < 0 ? ret : dump_survey(&d, opt->pid);
}
