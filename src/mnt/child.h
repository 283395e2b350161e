/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throwaway children of the coordinator: for what a process can only do to itself (working directory,
 * root, mount namespace, fsuid). They share nothing with it but descriptors and end with their function.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

/* Run @fn in a child; its result (0 or negative errno), -EIO if it was killed. */
int child_run(int (*fn)(void *data), void *data);

struct mount;
struct mount_list;

/*
 * Handles of the mounts @want (members of the arranged list @l), in its order, each without anything that
 * is mounted on it or over it. If one is covered, they are taken in a private copy of the namespace
 * @ns_fd from which the later mounts are removed first. @user_fd: its owning user namespace, -1: ours.
 * -EBUSY: one could not be uncovered. *@ret_fds: room for @n; ours to close.
 */
int mount_peek(int ns_fd, int user_fd, const struct mount_list *l, struct mount *const *want, size_t n,
	       int *ret_fds);
/* The text of mountinfo of the whole namespace @ns_fd (not of what a chroot()ed task sees). */
int mountinfo_read(int ns_fd, char **ret);
