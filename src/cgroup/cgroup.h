/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups, v1 and v2: freezer, tree, properties, placement. Image: cgroups.img. */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

struct freezer;
/*
 * The freezer that holds the tree of @root_pid: @path (--freeze-cgroup) or found from /proc/PID/cgroup
 * when that cgroup holds no stranger; NULL result and 0 when there is none (host tasks).
 */
int freezer_open(pid_t root_pid, const char *path, struct freezer **ret);
int freezer_freeze(struct freezer *f, int timeout_ms); /* and wait until frozen */
int freezer_thaw(struct freezer *f);
bool freezer_was_frozen(const struct freezer *f); /* the user had it frozen when we opened it */
/* Freeze again (the user's own freeze given back after we are done). */
int freezer_refreeze(struct freezer *f);
/* For the guardian: a descriptor and the bytes that thaw when written to it. */
int freezer_thaw_fd(const struct freezer *f, const char **ret_text);
void freezer_free(struct freezer *f);
/* Kill everything below (cgroup.kill, or by pids); only below the container's own cgroup. */
int freezer_kill(struct freezer *f);

int cgroup_survey(struct dump *d);
int cgroup_dump(struct dump *d);
/* The placement id of thread @tid (threads may differ): ThreadEntry.cgroup_id. */
int cgroup_id_of(struct dump *d, pid_t tid, uint32_t *ret_id);
/* The placement id of the root of the cgroup namespace @ns. */
int cgroup_ns_root_id(struct dump *d, const struct ns *ns, uint32_t *ret_id);
void cgroup_dump_done(struct dump *d);

int cgroup_load(struct restore *r);
int cgroup_make(struct restore *r); /* before the root: directories and properties that limit nothing */
int cgroup_place(struct restore *r, pid_t tid, uint32_t id); /* from outside, by the coordinator */
int cgroup_limits(struct restore *r); /* the rest of the properties, before release */
int cgroup_undo(struct restore *r); /* remove what cgroup_make() made */
/* The root task has ended: remove what cgroup_make() made and nobody else is in. */
void cgroup_ended(struct restore *r);
void cgroup_restore_done(struct restore *r);
