/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dump on its road: what the stages of dump.c hand on. */
#pragma once

#include "core/dump.h"
#include "engine/guardian.h"
#include "engine/stage.h"
#include "mem/mem.h"

struct netlock;
struct freezer;

struct dumping {
	const struct options *opt;
	struct dump d;
	struct freezer *freezer; /* NULL: host tasks */
	struct guard guardian;
	struct netlock *lock;
	struct netlock *gate; /* from the second attempt on: no new connections */
	bool announced, locked_by_script, refused;
	struct mem_stats mem;
	size_t n_tasks, n_threads;
	double begin_ms, frozen_ms, thawed_ms, end_ms;
};

/* Everything that can be seen without stopping anybody; obstacles are logged, -EOPNOTSUPP then. */
int dump_survey(struct dump *d, pid_t root);
/* Free the tables of a survey or a dump. */
void dump_forget(struct dump *d);
