/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree under construction: the arena all tasks share, control descriptors, helper tasks. */
#pragma once

#include "core/restore.h"

/*
 * A session whose leader is gone needs a task with the leader's pid for as long as its members are
 * made; it is a child of the parent the members have, and clones them with CLONE_PARENT.
 */
struct session_helper {
	int32_t sid;
	struct rtask *parent;
	struct remote *hand;
	int pidfd;
	size_t slot;
};

struct tree_store {
	TaskEntry **msgs;
	size_t n_msgs;
	struct session_helper *helpers;
	size_t n_helpers;
	size_t n_slots, next_slot;
	int memfd;
	char *local; /* mapped at r->arena in the coordinator too: a forked child needs nothing else */
	int ctl_base; /* control descriptors: ctl_base + slot, above all descriptors of the image */
	pid_t root_pid;
};

/* A new hand on the next slot: our end of its control socket is open, the task's end in *@ret_end. */
int hand_new(struct restore *r, struct remote **ret, int *ret_end);
void hand_free(struct remote *h);
/* How clone_task() differs from an ordinary fork. */
struct clone_spec {
	const int32_t *set_tid;
	size_t n_tids;
	uint64_t flags;
	int exit_signal;
};
/* Clone by @by's hand: a new hand in the child, its pidfd (none for threads). */
int clone_task(struct restore *r, struct remote *by, const struct clone_spec *spec, struct remote **ret_hand,
	       int *ret_pidfd);
/* The pid behind a pidfd in our pid namespace. */
int pidfd_pid(int pidfd);
