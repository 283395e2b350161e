/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two roads and the survey, for cmd/. All paths of @opt are absolute, the work directory exists.
 * 0, or a negative errno of which the reason has been logged.
 */
#pragma once

#include "core/options.h"

/* -ECANCELED: a post-dump script refused; the image is complete but the source runs on. */
int engine_dump(const struct options *opt);
/* Without opt->detached it returns when the root task has ended. */
int engine_restore(const struct options *opt);
/* Survey only: every obstacle is logged; -EOPNOTSUPP if there is one. */
int engine_check(const struct options *opt);
