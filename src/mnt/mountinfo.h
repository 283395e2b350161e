/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/mountinfo as a list: proc_pid_mountinfo(5), fs/proc_namespace.c. Pure text, no system calls
 * but the read. Everything in it that a container may choose (names, sources, paths) is taken as bytes.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

struct mnt_source;
struct ns;

struct mount {
	int id, parent;
	uint64_t dev; /* makedev() of the superblock */
	char *root; /* path inside the file system; without "//deleted" */
	char *point; /* where it is mounted, from the namespace's root */
	char *fstype, *source;
	char *options; /* of the superblock, without the flags below */
	uint64_t attrs; /* MOUNT_ATTR_* */
	uint32_t sb_flags; /* MS_RDONLY, MS_SYNCHRONOUS, MS_DIRSYNC, MS_LAZYTIME */
	int shared, master; /* peer group ids, 0: none */
	bool unbindable, deleted, idmapped;
	/* Filled later: */
	bool skipped; /* --skip-mnt */
	struct mount *up; /* its parent; NULL: the root of the namespace */
	struct mnt_source *from; /* what it is a mount of */
	char *rel; /* its root inside that, "" for all of it */
	size_t order; /* place in the order of mounting */
};

struct mount_list {
	struct mount **m;
	size_t n;
	struct ns *ns; /* NULL: the host's */
};

/* @text is modified; -EBADMSG for a line that is no mountinfo. *@ret is freed with mount_list_done(). */
int mountinfo_parse(char *text, struct mount_list *ret);
void mount_list_done(struct mount_list *l);
/* The list, which *@l is then no more. */
struct mount_list mount_list_take(struct mount_list *l);
struct mount *mount_list_find(const struct mount_list *l, int id);

/*
 * Set ->up and ->order and sort by it: a mount, then all that is below it, of one parent's children the
 * deeper mount point first. So nothing is covered by an earlier one, and taken away from the end each
 * mount is in turn the visible one at its mount point. -EBADMSG unless the list is one tree.
 */
int mount_list_arrange(struct mount_list *l);
/* The part of @path below @dir: "" for itself, else without leading slash; NULL when not below it. */
const char *path_below(const char *path, const char *dir);
/* Absolute, without "", "." and ".." components. */
bool path_is_clean(const char *path);
