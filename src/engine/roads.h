/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two roads have in common. */
#pragma once

#include <stdbool.h>

/* Root, enough descriptors, and as many descriptors as the hard limit allows: every description of the tree
 * is open in ours too.
 */
int engine_limits(void);
/*
 * Wait until the process of @pidfd has ended, but not beyond @end_ms (stage_now_ms()); false: it has not.
 * Everything that is reported to us meanwhile is reaped: of threads that we trace we hear first, only then
 * does their parent learn of the end.
 */
bool reap_until(int pidfd, double end_ms);
