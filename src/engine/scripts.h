/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's action scripts: each is executed directly (no shell) with CRTOOLS_SCRIPT_ACTION,
 * CRTOOLS_IMAGE_DIR, CRTOOLS_INIT_PID (unless @pid is 0) and CTCR_CT; standard input is /dev/null,
 * output goes to the log (standard error without one), signal mask and dispositions are reset, the
 * last one added runs first, all run even if one fails.
 */
#pragma once

#include <sys/types.h>

#include "core/options.h"

/* 0, or -ECANCELED if a script could not be run or failed; logged with its name. */
int scripts_run(const struct options *o, const char *action, int image_dirfd, pid_t pid);
