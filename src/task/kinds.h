/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a task, a dump and a restore function each. Dump fills the message from a held task
 * (msg begun by task_peek()); restore acts by the hands. Negative errno; logged by the caller, which
 * knows the pid.
 */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

/* creds.c: ids, capabilities, securebits. */
int creds_dump(struct task *t, struct task_thread *th, const char *status);
int creds_restore(struct rthread *th);
/* The capability that only installing filters needed goes. */
int creds_after_seccomp(struct rthread *th);

/* sched.c */
int sched_dump(struct task *t, struct task_thread *th);
int sched_restore(struct rthread *th);

/* signals.c: actions, queues, alternate stack. */
int signals_dump(struct task *t);
int signals_dump_thread(struct task_thread *th);
int signals_restore(struct rtask *t);
int signals_restore_thread(struct rthread *th);
int signals_queue(struct rtask *t);

/* switches.c: of prctl(2), each thread for itself. */
int switches_dump(struct task_thread *th);
int switches_restore(struct rthread *th);

/* timers.c */
int timers_dump(struct task *t);
int timers_restore(struct rtask *t);

/* limits.c: rlimits, oom, loginuid, coredump filter, personality, prctl switches. */
int limits_dump(struct task *t);
int limits_restore(struct rtask *t);

/* fs.c: cwd, root, umask. */
int fs_dump(struct dump *d, struct task *t);
int fs_restore(struct restore *r, struct rtask *t);

/* seccomp.c: filters of all threads, shared ones once: seccomp.img. */
struct seccomp_table;
int seccomp_dump(struct dump *d);
int seccomp_restore(struct restore *r, struct rthread *th);
