/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces by identity: a dump gives each one that is not the coordinator's own an id from 1.
 */
#pragma once

#include "base/util.h"

/* Fixed for ever: index into TaskEntry.ns_ids. */
enum ns_kind { NS_USER, NS_PID, NS_MNT, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_KINDS };

/* "user", "pid" ...: the names below /proc/PID/ns. */
extern const char *const ns_names[NS_KINDS];
/* CLONE_NEWUSER ... */
extern const uint64_t ns_flags[NS_KINDS];

struct task;

/* A namespace at dump time. */
struct ns {
	enum ns_kind kind;
	uint32_t id; /* from 1, unique over all kinds */
	uint64_t ino; /* nsfs inode */
	int fd; /* nsfs handle */
	struct task *task; /* the first task in it, parents first */
	struct ns *owner; /* owning user namespace, NULL: the host's or ours */
	struct ns *parent; /* user and pid namespaces: the one around it, NULL: ours */
};
