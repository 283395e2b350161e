/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside cgroup/: lines of /proc/PID/cgroup (cgroups(7)), hierarchies as directory descriptors,
 * small helpers on cgroup paths. Negative errno; nothing here logs.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

struct cg_line {
	uint32_t hier; /* 0: v2 */
	char *ctrl; /* "cpu,cpuacct", "name=systemd", "" for v2 */
	char *path; /* from the root of our cgroup namespace */
};

struct cg_lines {
	struct cg_line *v;
	size_t n;
	char *text; /* the strings above point into it */
};

/* Take apart @text, which is consumed also on errors. */
int cg_parse(char *text, struct cg_lines *ret);
/* /proc/@pid/cgroup; /proc/self for 0. */
int cg_read(pid_t pid, struct cg_lines *ret);
void cg_lines_done(struct cg_lines *l);
#define _cleanup_cg_lines_ _cleanup_(cg_lines_done)
/* The line of the hierarchy @ctrl; NULL. */
const struct cg_line *cg_find(const struct cg_lines *l, const char *ctrl);
/* Whether the comma list @list names @ctrl. */
bool cg_has_controller(const char *list, const char *ctrl);

/*
 * The root directory of the hierarchy with the controllers @ctrl, by a mount of our own that
 * goes when the descriptor is closed (fsopen(2)); whatever is mounted where does not matter.
 */
int cg_open_root(const char *ctrl);
/* The directory @path ("/a/b"; "/" too) below @root, without following links or "..". */
int cg_open_dir(int root, const char *path);
/* A plain absolute path: no empty, "." or ".." parts. For text out of images. */
bool cg_path_ok(const char *path);
/* Whether @path is @dir or lies below it. */
bool cg_path_below(const char *path, const char *dir);
/* A process outside the tree of @root; one that has gone meanwhile is none. */
bool cg_is_stranger(pid_t pid, pid_t root);
/* Cut @a down to the deepest cgroup that holds both @a and @b. */
void cg_path_common(char *a, const char *b);
/* Read the numbers of the file @name (cgroup.procs, tasks) in @dir; appended. */
int cg_read_pids(int dir, const char *name, pid_t **list, size_t *n);
/* Those of @dir and everything below it; appended. */
int cg_read_pids_below(int dir, const char *name, pid_t **list, size_t *n);
