/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts of control group hierarchies: which hierarchy, and where the container's part of it is now. */
#pragma once

#include "mnt/mountinfo.h"
#include "proto/mnt.pb-c.h"

/* "cpu,cpuacct" or "name=systemd", "" for version 2: as in the middle field of /proc/PID/cgroup. */
int cgroup_hierarchy(const struct mount *m, char **ret);
/* The path of @hierarchy in @text of /proc/PID/cgroup; -ENOENT. */
int cgroup_path_of(const char *text, const char *hierarchy, char **ret);
/* The directory that @s means for a first task whose cgroup is @now ("" for the top). */
int cgroup_translate(const MntSourceEntry *s, const char *now, char **ret);
