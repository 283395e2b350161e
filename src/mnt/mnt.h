/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount namespaces: the tree, what each mount shows, propagation. Image: mounts.img. */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

int mnt_survey(struct dump *d); /* obstacles by mountinfo alone */
/* Read mountinfo of every mount namespace; before files are dumped. */
int mnt_collect(struct dump *d);
/*
 * Where a path (as /proc/PID/fd shows it) of mount @mnt_id lives: the mount namespace's ns id (0: the
 * host's) and the path from its root. -ENOENT for mounts we do not know.
 */
int mnt_resolve(struct dump *d, const struct task *t, int mnt_id, const char *link, uint32_t *ret_ns,
		char **ret_path);
int mnt_dump(struct dump *d); /* messages, tmpfs contents */
void mnt_dump_done(struct dump *d);

int mnt_load(struct restore *r);
int mnt_plan(struct restore *r); /* sources exist, order of mounts */
/* By t's hand, the first task in its (new) mount namespace: everything private, pivot_root. */
int mnt_restore(struct restore *r, struct rtask *t);
/* Propagation, after all mount namespaces are built. */
int mnt_finish(struct restore *r);
void mnt_restore_done(struct restore *r);
