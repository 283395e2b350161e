/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to a container's running monitor over LXC's command socket (lxc/commands.h of LXC;
 * the same since LXC 1): the abstract socket "<lxcpath>/<name>/command", one question a connection.
 * -ECONNREFUSED: there is no monitor, the container is not running. -EPERM: the monitor is not
 * ours (another user's container). Nothing here logs.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

enum lxc_state {
	LXC_STOPPED,
	LXC_STARTING,
	LXC_RUNNING,
	LXC_STOPPING,
	LXC_ABORTING,
	LXC_FREEZING,
	LXC_FROZEN
};

int lxc_monitor_init_pid(const char *lxcpath, const char *name, pid_t *ret);
int lxc_monitor_state(const char *lxcpath, const char *name, enum lxc_state *ret);
/* A configuration item as the monitor has it; *@ret is malloc()ed. -ENOENT: there is no such item. */
int lxc_monitor_config(const char *lxcpath, const char *name, const char *item, char **ret);
/* The container's cgroup in the hierarchy of @controller, from the hierarchy's root; malloc()ed. */
int lxc_monitor_cgroup(const char *lxcpath, const char *name, const char *controller, char **ret);
/* The user the monitor runs as. */
int lxc_monitor_uid(const char *lxcpath, const char *name, uid_t *ret);
