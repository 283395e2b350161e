/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A path for an inode the kernel names only by number and handle (inotify). */
#pragma once

#include "core/dump.h"

struct inode_ref {
	dev_t dev;
	ino_t ino;
	int handle_type;
	unsigned int handle_len;
	unsigned char handle[128];
};

/*
 * A path of @ref in the mount namespace of @t (malloc()ed) and the mount it leads through. First by
 * open_by_handle_at(2), which finds what the kernel has in its caches, then by a walk through the usual
 * places. -ENOENT: no name.
 */
int inode_path(struct task *t, const struct inode_ref *ref, char **ret, int *ret_mnt_id);
