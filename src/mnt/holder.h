/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The holder: a child of the coordinator in a mount namespace of its own where each source of mounts is
 * attached whole while namespaces are built. Mounts are cloned from there: a clone can only be made of
 * what is attached in the caller's namespace, and the container's must not see the sources. It ends,
 * and everything in it goes, with its socket.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

struct holder {
	pid_t pid;
	int sock; /* -1: not there */
};

int holder_start(struct holder *h);
/* Attach the detached mount @fd as number @id. */
int holder_put(struct holder *h, uint32_t id, bool is_dir, int fd);
/* A detached private mount of @rel ("" for all) in number @id, with these MOUNT_ATTR_*; ours. */
int holder_clone(struct holder *h, uint32_t id, const char *rel, uint64_t attrs);
void holder_stop(struct holder *h);
