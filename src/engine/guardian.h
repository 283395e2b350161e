/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guardian: a guard (base/guard.h), started before the freeze, that thaws the container's cgroup. */
#pragma once

#include "base/guard.h"

struct freezer;

/* Ended by guard_dismiss(). Logs. */
int guardian_start(struct guard *g, const struct freezer *f);
