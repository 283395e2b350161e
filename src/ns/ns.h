/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces: which there are, who is in them, and the contents of the small ones (user, pid, uts,
 * ipc, cgroup, time). Contents of mount and network namespaces: mnt/mnt.h, net/net.h. Image: ns.img.
 */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

/* Find every namespace of every task, fill d->ns and task->ns; callable before and after the freeze. */
int ns_collect(struct dump *d);
int ns_survey(struct dump *d);
/* Write ns.img: kind, id, owner, parent and contents of each. */
int ns_dump(struct dump *d);
/*
 * The mqueue file system of an IPC namespace (-1: ours) as a directory descriptor of ours, mounted nowhere.
 */
int ns_mqueue_fs(int ipc_ns_fd);
void ns_dump_done(struct dump *d);

int ns_load(struct restore *r);
/* CLONE_NEW* flags for the clone3 of task @t (what its parent's hand, or we for the root, lack). */
uint64_t ns_clone_flags(const struct restore *r, const struct rtask *t);
/*
 * Before the root is cloned: groups it could not set itself. After a task is cloned: uid_map, gid_map,
 * setgroups of its user namespace; for the root a time namespace (CLOCK_MONOTONIC goes on where the dump left
 * it).
 */
int ns_before_root(struct restore *r);
int ns_after_clone(struct restore *r, struct rtask *t);
/* By the hand of the first task in each namespace: hostname, sysctls, SysV ipc, cgroup namespace ... */
int ns_restore(struct restore *r, struct rtask *t);
/*
 * Around the clone of @t by the hand of @parent: a child born into a pid namespace that exists already
 * and is not its parent's (nsenter, docker exec).
 */
int ns_before_child(struct restore *r, struct rtask *parent, const struct rtask *t);
int ns_after_child(struct restore *r, struct rtask *parent, const struct rtask *t);
/* Right after the clone of t: it enters namespaces that exist already and that its parent is not in. */
int ns_enter(struct restore *r, struct rtask *t);
/*
 * Late: t enters or makes the user namespace that was made last (systemd's PrivateUsers=). After its
 * descriptors are installed, before its threads are cloned (unshare(2) wants one) and before creds.
 */
int ns_enter_user(struct restore *r, struct rtask *t);
/*
 * After all memory is restored, before creds: segments removed while attached are removed, SEM_UNDO
 * adjustments by the hands, late sysctls.
 */
int ns_finish(struct restore *r);
/* By @hand, in its pid namespace: the pid given out last becomes @value; what it was. */
int ns_set_last_pid(struct remote *hand, uint32_t value, uint32_t *ret_old);
void ns_restore_done(struct restore *r);
