/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading /proc/PID through a directory handle, so that a recycled pid is never read by mistake.
 * All return 0 or a count, or a negative errno (-ESRCH: the task is gone).
 */
#pragma once

#include <sys/types.h>

#include "base/io.h"

/* /proc/@pid as an O_DIRECTORY descriptor. */
int proc_open(pid_t pid);
/* /proc/@pid/@name as text. */
int proc_read(pid_t pid, const char *name, char **ret);
/* The numbers that are entries of the directory @name below @dirfd (task, fd), ascending; malloc()ed. */
int proc_list(int dirfd, const char *name, int **ret, size_t *ret_n);
/*
 * What @err of something below a task's directory @dirfd means: -ESRCH if the task is gone. The kernel says
 * ESRCH, ENOENT or, of the links in ns, fd and of exe, EACCES then (fs/proc/namespaces.c, base.c); else @err.
 */
int proc_errno(int dirfd, int err);
/* The children of @pid by /proc/PID/task/TID/children of all its threads; malloc()ed. */
int proc_children(pid_t pid, pid_t **ret, size_t *ret_n);
/* Inode number of the namespace link /proc/@pid/ns/@name. */
int proc_ns_ino(pid_t pid, const char *name, uint64_t *ret);
/*
 * The numbers of a line of /proc/PID/status that has one for each namespace (NSpid, NSpgid, NSsid), the
 * reader's own first; how many there are (at most 32, the depth the kernel allows), 0 without the line.
 */
int proc_ns_numbers(const char *status, const char *key, int v[32]);
/* Field @n (3 = state, as numbered in proc_pid_stat(5)) of /proc/PID/stat text; NULL when it ends before. */
const char *proc_stat_field(const char *stat, int n);
