/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device rules of v2 cgroups: BPF programs attached to them, whoever holds them. Errors are logged. */
#pragma once

#include "proto/cgroup.pb-c.h"

int cg_devices_dump(int dir, CgroupDirEntry *e);
int cg_devices_check(const CgroupDirEntry *e);
/* Attach those that are not attached already (by LXC, or through a descriptor of systemd's). */
int cg_devices_restore(int dir, const CgroupDirEntry *e);
