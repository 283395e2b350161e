/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A road as a table of stages. Each is run in order; the first failure unwinds all up to and with the
 * failing one, in reverse. After a stage with .commit nothing is undone any more: later failures are
 * reported and the rest still runs. SIGINT, SIGTERM and SIGHUP, blocked by stages_block_signals(),
 * count as a failure between two stages before the commit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stage {
	const char *name;
	int (*run)(void *ctx);
	void (*undo)(void *ctx);
	bool commit;
};

void stages_block_signals(void);
/* Nothing is left to be taken back: they end us again. */
void stages_unblock_signals(void);
/* @ms: milliseconds each stage took, @n of them. Returns 0 or the first error. */
int stages_run(const struct stage *stages, size_t n, void *ctx, double *ms);
/* CLOCK_MONOTONIC in milliseconds. */
double stage_now_ms(void);
