/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that outlives us: a grandchild in a session of its own, so that nobody who waits for
 * children of ours meets it, in the mount namespace of pid 1 (LXC runs us in one that is not to be kept
 * alive), with nothing open but what it is told to keep.
 */
#pragma once

#include <stddef.h>

/* Calls run(@arg) there, and ends with it. @fds, above 2, are the @n that stay open. 0, or errno. */
int outlive(const char *name, void (*run)(void *arg), void *arg, const int *fds, size_t n);
