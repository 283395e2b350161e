/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dump in progress: the tree, its namespaces, the tables the kinds keep.
 *
 * Owned by the engine; kinds get it const where they only read. Each table is the property of the
 * folder named beside it, made by its first stage and freed by its done function.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/ns.h"
#include "core/options.h"
#include "proto/task.pb-c.h"
#include "remote/remote.h"

struct image;
struct file_table;
struct mnt_table;
struct sock_table;
struct cgroup_table;
struct mem_table;
struct infection;
struct task_said;
struct thread_said;
struct netlock;

enum task_state { TASK_RUNNING, TASK_STOPPED, TASK_ZOMBIE };

struct task_thread {
	pid_t tid; /* in the coordinator's pid namespace */
	struct infection *inf; /* registers saved, way home laid; remote/infect.h */
	struct thread_said *said; /* of tasks_ask(); NULL before */
	ThreadEntry *msg; /* begun while it was stopped, finished by tasks_dump() */
};

struct task {
	uint32_t id; /* from 1: TaskEntry.id */
	pid_t pid; /* in the coordinator's pid namespace */
	int pidfd;
	int proc; /* /proc/PID */
	struct task *parent; /* NULL for the root */
	enum task_state state;
	struct task_thread *threads; /* leader first */
	size_t n_threads;
	struct remote *hand; /* the executor in the leader; NULL for zombies and before infect */
	struct task_said *said; /* of tasks_ask(); NULL before */
	TaskEntry *msg; /* begun while it was stopped */
	uint32_t mm_id, files_id, fs_id, sighand_id; /* from 1; same id = shared object (kcmp) */
	bool mm_first, files_first, fs_first, sighand_first; /* the first holder dumps it */
	struct ns *ns[NS_KINDS]; /* NULL: the coordinator's own */
};

/*
 * In memory that is shared with the children that outlive us: what they are to do with what they hold,
 * should we die.
 */
struct dump_fate {
	_Atomic bool ending; /* the image is committed, and all tasks are killed: nothing is given back */
	char held[40]; /* the table of net_hold() bears this name, if it is there already; "": there is none
			*/
};

struct dump {
	const struct options *opt;
	struct dump_fate *fate;
	struct image *img;
	struct task **tasks; /* parents before children */
	size_t n_tasks;
	struct ns **ns;
	size_t n_ns;
	struct file_table *files; /* file/ */
	struct sock_table *socks; /* sock/ */
	struct mnt_table *mnts; /* mnt/ */
	struct cgroup_table *cgroups; /* cgroup/ */
	struct netlock *net; /* net/: of net_lock_dump(), valid until net_unlock() */
	struct mem_table *mem; /* mem/ */
	char **obstacles; /* found by the survey */
	size_t n_obstacles;
	unsigned int attempt; /* how often it was begun before */
};

/*
 * Survey: note a reason why this cannot be dumped, "pid 5 fd 3 (/dev/fuse): FUSE ...; unmount it".
 * 0 or -ENOMEM. All are printed together, then the dump is refused.
 */
int dump_obstacle(struct dump *d, const char *fmt, ...) _printf_(2, 3);
struct task *dump_find_task(const struct dump *d, pid_t pid);
struct ns *dump_find_ns(const struct dump *d, uint64_t ino);
/* The task's pid in its own (innermost) pid namespace; -ESRCH: it is gone. */
pid_t task_ns_pid(const struct task *t);
