/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside cgroup/: the hierarchies of a dump and the placements seen in it. */
#pragma once

#include "cgroup/cg.h"
#include "cgroup/cgroup.h"

struct cg_hier {
	char *ctrl;
	char *root; /* the container's own cgroup */
	bool outside; /* nothing of the container's own here */
	bool own_subtree; /* everything below root is the container's, with or without tasks */
	int fd; /* the hierarchy's root; -1 when outside */
};

/* Paths below the roots, one for each hierarchy. */
struct cg_set {
	char **paths;
};

/* What @pid of @ns reads of itself from outside and from inside; kept, as each look inside costs a thread. */
struct cg_view {
	const struct ns *ns;
	pid_t pid;
	struct cg_lines out, in;
};

struct cgroup_table {
	struct cg_view view;
	struct cg_hier *hiers;
	size_t n_hiers;
	struct cg_set *sets; /* sets[id - 1] */
	size_t n_sets;
};

/* d->cgroups, made on the first call. */
int cg_table(struct dump *d, struct cgroup_table **ret);
/* --cgroup-root for the hierarchy @ctrl: an absolute path (malloc()ed); NULL: not given. */
int cg_option_root(const struct options *opt, const char *ctrl, char **ret);
/* Name the processes in the container's cgroup (--freeze-cgroup) that are not of its tree. */
void cg_survey_attached(const struct dump *d);
