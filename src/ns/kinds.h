/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside ns/: one row per namespace type, and what the rows share. */
#pragma once

#include "ns/ns.h"
#include "ns/visit.h"
#include "proto/ns.pb-c.h"

/*
 * survey: obstacles seen without stopping anybody. dump: fill @msg (malloc()ed memory). check: refuse
 * a hostile message, before anything is made. restore: @t, the first task in the new namespace, exists.
 * finish: memory and descriptors of all tasks are there. Each may be NULL.
 */
struct ns_ops {
	int (*survey)(struct dump *d, const struct ns *ns);
	int (*dump)(struct dump *d, const struct ns *ns, NsEntry *msg);
	int (*check)(const struct restore *r, const NsEntry *msg);
	int (*restore)(struct restore *r, struct rtask *t, const NsEntry *msg);
	int (*finish)(struct restore *r, struct rtask *t, const NsEntry *msg);
};

extern const struct ns_ops ns_user_ops, ns_pid_ops, ns_ipc_ops, ns_uts_ops, ns_cgroup_ops, ns_time_ops;

/* The row of @kind; NULL for mnt and net, whose contents are not ours. */
const struct ns_ops *ns_ops_of(enum ns_kind kind);

struct ns_store {
	NsEntry **entries; /* entries[id - 1] */
	size_t n;
	ClockEntry *clock; /* NULL: the image has none */
	int *fds; /* fds[id - 1]: nsfs handle once it is made; -1 */
	uint32_t *own_groups; /* ours, while we have the root task's */
	size_t n_own_groups;
};

/* The namespace @t is in; NULL: the host's. */
const NsEntry *ns_entry_of(const struct restore *r, const struct rtask *t, enum ns_kind kind);
/* @t is the first task in a namespace of @kind that is not the host's: it (or we, for it) fills it. */
bool ns_first(const struct restore *r, const struct rtask *t, enum ns_kind kind);
/* The user namespace of @t is entered last (unshare), as it owns none of t's other namespaces. */
bool ns_user_late(const struct restore *r, const struct rtask *t);

/* setns() by the hand of @t into the namespace we hold as @fd. */
int ns_hand_setns(struct rtask *t, int fd, uint64_t flag);
/* A live task of @ns with a hand; NULL. */
struct task *ns_any_task(const struct dump *d, const struct ns *ns);

/* user.c: the maps of @ns from the text of uid_map and the like; entries are appended. */
int idmap_parse(char *text, IdMapEntry ***ret, size_t *ret_n);
/* Translate @n entries of ids as we see them to ids of the parent namespace by its map. */
int idmap_to_parent(IdMapEntry **map, size_t n, IdMapEntry *const *parent, size_t n_parent);
/* Text as uid_map takes it; malloc()ed. -EINVAL for maps the kernel would not take. */
int idmap_text(IdMapEntry *const *map, size_t n, char **ret);
/*
 * Groups that can be set only before a user namespace is entered: for @t by the hand @by (of its parent
 * before the clone, or its own before unshare). NULL: by us, for the root; user_own_groups() sets ours again.
 */
int user_outer_groups(struct restore *r, const struct rtask *t, struct remote *by);
int user_own_groups(struct restore *r);
int user_restore_maps(struct restore *r, struct rtask *t, const NsEntry *msg);

/* Append @item to the repeated field @array (TYPE ***) of @n. */
int pb_append(void *array, size_t *n, void *item);
