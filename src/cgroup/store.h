/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside cgroup/: the cgroups of a restore. */
#pragma once

#include "base/map.h"
#include "cgroup/cg.h"
#include "cgroup/cgroup.h"
#include "proto/cgroup.pb-c.h"

struct cg_target {
	const CgroupHierEntry *msg;
	bool active; /* not outside, and this machine has the hierarchy */
	char *root; /* where the container's cgroup is now */
	int fd; /* the hierarchy's root */
};

struct cgroup_store {
	CgroupEntry *msg; /* NULL: the image has none, or they are not wanted */
	struct cg_target *targets; /* one for each of msg->hiers */
	/* made by us, in order: for cgroup_undo() */
	struct cg_made {
		size_t hier;
		char *path;
	} * made;
	size_t n_made;
	struct map created; /* keys: hier << 32 | index in dirs, of those made by us */
};

static inline bool cg_is_v2(const CgroupHierEntry *h)
{
	return !*h->controllers;
}

/* Open the directory @dir of target @t. */
int cg_target_dir(const struct cg_target *t, const char *path);
