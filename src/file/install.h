/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables at restore, for kinds that work by number (epoll). */
#pragma once

#include "core/obj.h"

/* What table @files_id holds as @fd; -ENOENT. */
int files_table_find(const struct restore *r, uint32_t files_id, uint32_t fd, uint32_t *ret_file,
		     bool *ret_cloexec);

/*
 * Where a description is held: a task and its number there. One that nobody holds by number is given to the
 * hand of its task for a while (@given), until file_place_done().
 */
struct file_place {
	struct rtask *task;
	int number;
	bool given;
};
int file_place_find(struct restore *r, const FileEntry *msg, int fd, struct file_place *ret);
int file_place_done(const struct file_place *p);
