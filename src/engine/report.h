/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a road took: a line for people, --stats FILE as JSON, and CRIU's statistics file for those that called
 * us criu. Errors are logged; the dump or the restore was done all the same.
 */
#pragma once

#include "engine/dumping.h"

/* Milliseconds of each stage, as stages_run() gave them. */
struct road_times {
	const struct stage *stages;
	const double *ms;
	size_t n;
};

int dump_report(const struct dumping *c, const struct road_times *t);
struct restore_facts {
	size_t n_tasks;
	uint64_t pages;
	double total_ms;
};
int restore_report(const struct options *o, const struct road_times *t, const struct restore_facts *f);
