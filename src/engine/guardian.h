/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian: a child forked before the freeze that thaws the container's cgroup if the coordinator
 * is gone. Everything else a killed coordinator leaves, the kernel gives back: ptrace detaches, the
 * executors go home at end-of-file, the network lock goes with its socket.
 */
#pragma once

#include <sys/types.h>

struct freezer;

struct guardian {
	pid_t pid;
	int pipe; /* our end: closing it without a byte means we died */
};

int guardian_start(struct guardian *g, const struct freezer *f);
/* It is no longer needed: let it end and reap it. */
void guardian_dismiss(struct guardian *g);
