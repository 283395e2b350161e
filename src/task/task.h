/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks: finding, stopping and dumping the tree; cloning it again and making each task what it was. */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

/* The tree below @root by /proc/PID/task/TID/children: d->tasks, without stopping anybody. */
int tree_survey(struct dump *d, pid_t root);
void tree_clear(struct dump *d); /* forget it (survey before freeze, then again) */
/* Everything that hangs on one task or thread, to tasks.img. */
int tasks_dump(struct dump *d);

int tasks_load(struct restore *r);
/* Clone the root / the children of @t by its hand. */
int tree_clone_root(struct restore *r);
int tree_clone_children(struct restore *r, struct rtask *t);
