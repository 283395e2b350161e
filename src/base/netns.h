/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acting inside another network namespace. A short-lived thread of ours enters it (setns(2) is per
 * thread), so the caller's own namespace is never touched, nothing is forked and a kill leaves
 * nothing behind. Needs CAP_SYS_ADMIN over the namespace. Negative errno; nothing logs.
 */
#pragma once

#include "base/util.h"

/* @fn(@arg) inside the namespace @netns_fd; returns what it returns, or why it could not be run. */
int netns_call(int netns_fd, int (*fn)(void *arg), void *arg);
/*
 * The same in two steps: begun, it runs beside the caller (on any CPU) until netns_end() waits for it
 * and frees it. NULL where it could not be begun: netns_end() is -ENOMEM then.
 */
struct netns_visit *netns_begin(int netns_fd, int (*fn)(void *arg), void *arg);
int netns_end(struct netns_visit *v);
/* A close-on-exec socket that belongs to the namespace, for the caller. */
int netns_socket(int netns_fd, int domain, int type, int protocol);
