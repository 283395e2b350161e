/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guard: a child that waits for our end and then undoes what nothing else would. Everything else a killed
 * coordinator leaves, the kernel gives back: ptrace detaches, the executors go home at end-of-file, the
 * network lock goes with its socket.
 */
#pragma once

#include <sys/types.h>

struct guard {
	pid_t pid; /* 0: none */
	int pipe; /* our end: closing it without a byte means that we died */
};

/*
 * Fork it. When we are gone without guard_dismiss() it calls act(arg), with what both were at the fork; of
 * all descriptors it keeps the @n of @fds; NULL: all.
 */
int guard_start(struct guard *g, void (*act)(void *arg), void *arg, const int *fds, size_t n);
/* It is no longer needed: let it end, and reap it. */
void guard_dismiss(struct guard *g);
