/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The restore in progress.
 *
 * Every task is built by remote calls: its hand is an executor from the moment it is cloned until
 * its registers are set. `r->world` is the root task's hand while the namespaces are filled.
 */
#pragma once

#include <sys/types.h>

#include "core/ns.h"
#include "core/options.h"
#include "proto/task.pb-c.h"
#include "remote/remote.h"

struct image;
struct file_store;
struct sock_store;
struct mm_store;
struct ns_store;
struct mnt_store;
struct net_store;
struct cgroup_store;
struct tree_store;
struct keeper;

struct rthread {
	const ThreadEntry *msg;
	struct remote *hand;
	pid_t tid; /* in the coordinator's pid namespace */
};

struct rtask {
	const TaskEntry *msg;
	struct rtask *parent; /* NULL for the root */
	size_t index; /* in tasks[]; msg->id - 1 */
	struct remote *hand; /* threads[0].hand; NULL for zombies and before it is cloned */
	pid_t pid; /* in the coordinator's pid namespace */
	int pidfd;
	struct rthread *threads;
	size_t n_threads;
};

struct restore {
	const struct options *opt;
	struct image *img;
	struct rtask *tasks; /* parents before children */
	size_t n_tasks;
	uint64_t arena; /* where the arena lies in every task */
	uint64_t arena_size;
	struct file_store *files; /* file/ */
	struct sock_store *socks; /* sock/ */
	struct mm_store *mms; /* mem/ */
	struct ns_store *ns; /* ns/ */
	struct mnt_store *mnts; /* mnt/ */
	struct net_store *net; /* net/ */
	struct cgroup_store *cgroups; /* cgroup/ */
	struct tree_store *tree; /* task/ */
	struct keeper *keeper; /* file/keeper.h: terminals whose masters lived outside */
	int root_fd; /* --root or the container's root file system, opened before anything; -1 */
};

/*
 * A hand that stands in namespace @ns_id of @kind (0: any task): the first task, in order, that is
 * in it and exists. NULL when there is none yet.
 */
struct rtask *restore_task_in(const struct restore *r, enum ns_kind kind, uint32_t ns_id);
struct rtask *restore_find_pid(const struct restore *r, int32_t ns_pid);
