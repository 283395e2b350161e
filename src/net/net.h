/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces: links, addresses, routes, rules, neighbours, sysctls. Image: net-ID.img. */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

int net_survey(struct dump *d);
int net_dump(struct dump *d); /* tasks are held, network locked */
/* Lock/unlock every network namespace of the container (netlock/), remembered in d or r by us. */
struct netlock;
int net_lock_dump(struct dump *d, struct netlock **ret);
int net_lock_restore(struct restore *r, struct netlock **ret);
/* Hold off new TCP connections of @pid's network namespace; *@ret NULL: it is ours, or not to be locked. */
int net_gate(const struct dump *d, pid_t pid, struct netlock **ret);
void net_unlock(struct netlock *l); /* NULL is fine */
/*
 * Where the namespace is shared with the host only connections are locked: this one too, if it is not yet.
 */
struct netlock_conn;
int net_lock_conn(struct dump *d, const struct netlock_conn *c);
/*
 * After the commit, before the kill: these connections pass into a table that outlives us, so that
 * the host does not reset them before the restore; which takes it away, when the sockets are back.
 */
int net_hold(struct dump *d);
int net_unhold(struct restore *r);
/* The sockets that own the locks of a dump (netlock_fd()), up to @max of them: how many. */
size_t net_lock_fds(const struct dump *d, int *fds, size_t max);
/* The tasks are gone for good, nothing is unlocked yet: links down, so that nobody answers for them. */
int net_quiet(struct dump *d);

int net_load(struct restore *r);
int net_plan(struct restore *r); /* bridges of --veth-pair exist, names are free */
/* By the hand of the first task in each network namespace. Links down first; lock; then up. */
int net_restore_links(struct restore *r, struct rtask *t);
int net_restore_config(struct restore *r, struct rtask *t); /* addresses, up, routes ... */
int net_settle(struct restore *r); /* all namespaces are there, no socket yet */
/*
 * When all sockets are made, and before it is unlocked: the container's own packet filters and tracked
 * connections. What was said to its sockets over the loopback device is no business of theirs.
 */
int net_restore_filters(struct restore *r);
int net_finish(struct restore *r); /* after unlock: tell switches and peers (gratuitous ARP, NA) */
int net_undo(struct restore *r); /* a failed restore, before it is unlocked: links down, host ends removed */
/* Was it changed by --ip? Then @addr (4 or 16 bytes) becomes what it is now. */
bool net_address_moved(const struct restore *r, uint32_t ns_id, int family, uint8_t *addr);
void net_restore_done(struct restore *r);
