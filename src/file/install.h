/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables at restore, for kinds that work by number (epoll). */
#pragma once

#include "core/restore.h"

/* What table @files_id holds as @fd; -ENOENT. */
int files_table_find(const struct restore *r, uint32_t files_id, uint32_t fd, uint32_t *ret_file,
		     bool *ret_cloexec);
