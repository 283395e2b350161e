/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is mounted: every mount is a bind of a source, and there are few kinds of those. Here the lists
 * of mounts are sorted into sources by device number, root and the host's own mounts; pure.
 */
#pragma once

#include "mnt/mountinfo.h"
#include "proto/mnt.pb-c.h"

/* How a file system type is treated when its superblock is not one of the host's. */
enum fs_class {
	FS_MAKE, /* made again by its options: its contents are the kernel's */
	FS_FILL, /* made again, contents from an archive */
	FS_EMPTY, /* made again if it holds no files */
	FS_REFUSE,
};

struct fs_type {
	const char *name;
	enum fs_class cls;
	const char *const *options; /* keys of mountinfo that fsconfig(2) takes back; NULL-terminated */
	const char *reason; /* FS_REFUSE: why, and what to do */
};

/* Never NULL: unknown types get one that refuses. */
const struct fs_type *fs_type_of(const char *fstype);
/* One family per file. */
extern const struct fs_type fs_memory_types[], fs_kernel_types[], fs_cgroup_types[], fs_refused_types[];

struct mnt_source {
	uint32_t id;
	MntSourceEntry__Kind kind;
	const struct fs_type *type;
	struct mount *first; /* the mount it was found by */
	struct ns *ns; /* of that mount */
	uint64_t dev;
	char *root; /* inside the superblock; "/" for FS */
	char *path; /* of the host */
	char *name; /* --external at the dump */
	bool deleted; /* EXTERNAL whose root is unlinked */
	bool is_dir;
	uint32_t tty;
};

struct source_list {
	struct mnt_source **s;
	size_t n;
};

/* What classification must know about the world. */
struct source_world {
	const struct mount_list *host; /* the coordinator's mounts */
	/* Does the host's @path lead to its mount @id (or is that covered)? 1: a directory, 0: a file, or
	 * error. */
	int (*reachable)(const char *path, int id);
	/* --external mnt[POINT]: the name, or NULL. */
	const char *(*external)(const void *data, const char *point);
	const void *data;
};

/*
 * Fill m->from and m->rel of every mount of @lists (the container's root namespace first). @why is
 * called with a sentence for each mount that cannot be dumped; that mount's ->from stays NULL.
 */
typedef int source_why(void *data, const struct mount_list *l, const struct mount *m, const char *text);
int sources_find(const struct source_world *w, struct mount_list *lists, size_t n_lists,
		 struct source_list *ret, source_why *why, void *why_data);
void source_list_done(struct source_list *l);
/* The host's path of what @m shows, malloc()ed; as ->reachable() returns, or -ENOENT. */
int source_host_path(const struct source_world *w, const struct mount *m, char **ret);
