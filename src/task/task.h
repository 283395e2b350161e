/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks: finding, holding and dumping the tree; cloning it again and making each task what it was.
 * Errors: negative errno, logged where the pid is known.
 */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

struct freezer;

/* The tree below @root by /proc/PID/task/TID/children: d->tasks, without stopping anybody. */
int tree_survey(struct dump *d, pid_t root);
void tree_clear(struct dump *d); /* forget it (survey before freeze, then again) */
/* The threads that are held, of each task from the one with index @first on; malloc()ed, NULL: out of memory.
 */
struct task_thread **tree_threads(const struct dump *d, size_t first, size_t *ret_n);
/* Which tasks share mm, files, fs, signal handlers (kcmp): fills mm_id ... of every task. */
int tree_share(struct dump *d);

/*
 * Stop every thread of the tree below @root by ptrace, with @f (may be NULL) holding it meanwhile,
 * and read what only a stopped thread shows. -EAGAIN: something transient (vfork); let go and retry.
 */
int tree_hold(struct dump *d, pid_t root, struct freezer *f);
/* Start the executor in every task. */
int tree_infect(struct dump *d);
/* Take the executors out; every thread stays stopped, as it was. */
int tree_cure(struct dump *d);
/* Let every thread go on. */
void tree_release(struct dump *d);

/* Obstacles: traced tasks, sessions and groups that reach outside, dead leaders. */
int tasks_survey(struct dump *d);
/* Everything that hangs on one task or thread, to tasks.img. */
int tasks_dump(struct dump *d);

int tasks_load(struct restore *r);
/* The helper tasks a dead session or group leader needs, slots, control descriptors. */
int tree_plan(struct restore *r);
/* Slots of the arena: one per thread and helper. */
size_t tree_slots(const struct restore *r);
/* After files and memory are loaded: map the arena. */
int arena_make(struct restore *r);
/* Clone the root; then the children of @t by its hand. */
int tree_clone_root(struct restore *r);
int tree_clone_children(struct restore *r, struct rtask *t);
/* Process groups; then helpers leave. */
int tree_finish(struct restore *r);
/* Threads beside the leader. */
int threads_clone(struct restore *r, struct rtask *t);
/* Timers, signals, limits, credentials, filters: everything but registers. */
int task_become(struct restore *r, struct rtask *t);
/* Seize every thread, so that filters can be installed and registers set. */
int tree_seize(struct restore *r);
/* Filters; then registers by ptrace, arena unmapped; all threads are stopped, ready to go. */
int tree_arm(struct restore *r);
/*
 * No thread dies with us any more: from now on they run should we die. Those that were stopped have their
 * signal.
 */
void tree_survive(struct restore *r);
/* Detach: they run. */
int tree_resume(struct restore *r);
void tree_restore_done(struct restore *r);
