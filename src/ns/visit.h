/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Acting inside a namespace of a container without a hand. Negative errno; nothing logs. */
#pragma once

#include <sys/types.h>

#include "core/ns.h"

/*
 * @fn(@arg) by a short-lived thread of ours that stands in the namespace @ns_fd (ipc, uts, cgroup);
 * our own namespaces are never touched, and a kill leaves nothing behind.
 */
int ns_visit(int ns_fd, int (*fn)(void *arg), void *arg);
/* As ns_visit() in the namespace of @kind that @pid is in. */
int ns_visit_task(pid_t pid, enum ns_kind kind, int (*fn)(void *arg), void *arg);
