/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What restore keeps of mounts: r->mnts. */
#pragma once

#include "core/restore.h"
#include "mnt/holder.h"
#include "mnt/mountinfo.h"
#include "proto/mnt.pb-c.h"

struct rsource {
	const MntSourceEntry *msg;
	char *path; /* where it is on this host; NULL: made */
	int fd; /* our handle of a mount of all of it, attached in the holder's namespace; -1: not yet */
	char **places; /* of msg->trees: where the contents are now */
};

struct rmount {
	const MntEntry *msg;
	struct rmount *up;
	struct rsource *from;
	int fd; /* our handle, from when it is cloned */
};

struct rmntns {
	uint32_t id;
	struct rmount *m; /* in order of mounting, its root first */
	size_t n;
	bool built;
};

struct mnt_store {
	MntSourceEntry **source_msgs;
	MntEntry **mount_msgs;
	struct rsource *sources;
	struct rmount *mounts;
	struct rmntns *ns;
	struct holder holder;
	size_t n_sources, n_mounts, n_ns;
	bool finished;
};

struct rmntns *mnt_store_ns(const struct mnt_store *s, uint32_t id);
/* A struct rmount in a message. */
#define RMOUNT_FMT "mount %s (%s)"
#define RMOUNT(m) (m)->msg->point, (m)->from->msg->fstype

/* Where @s is now on this host: *@ret malloc()ed, NULL where it is made (console without a path). */
int rsource_path(const struct restore *r, const struct rsource *s, char **ret);
/* Our detached mount of what @s shows of this host, private, flags cleared. */
int rsource_open_host(struct restore *r, const struct rsource *s, pid_t pid);
/* The mount of this host that the path of @s is in, in *@host, which is read; -ENOENT. */
int host_mount_of(const struct restore *r, const struct rsource *s, struct mount_list *host,
		  const struct mount **ret);
/* Make the file system of @s by @hand; the number of its detached mount there. */
int fs_make(struct restore *r, struct rtask *t, struct rsource *s);
/* Fill it from the image; @fd is our handle. */
int fs_fill(struct restore *r, struct rsource *s, int fd);
/* Remove the roots that were unlinked at the dump; reconfigure read-only. */
int fs_finish(struct rsource *s);
