/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dump keeps of mounts: d->mnts. */
#pragma once

#include "core/dump.h"
#include "mnt/source.h"

struct mnt_table {
	struct mount_list host; /* the coordinator's own */
	struct mount_list *lists; /* one per mount namespace of the container, its root's first */
	size_t n_lists;
	struct source_list sources;
};

/* Read, arrange and classify; obstacles go to @why. */
int mnt_table_read(struct dump *d, source_why *why, void *why_data, struct mnt_table **ret);
void mnt_table_free(struct mnt_table *t);
/* The trees of file system @s that must be archived, to @msg; contents written to the image. */
int mnt_dump_trees(struct dump *d, const struct mnt_source *s, MntSourceEntry *msg);
