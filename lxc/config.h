/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ctcr needs to know of a container's configuration: lxc.container.conf(5), current key names
 * and those of LXC 1 and 2, lxc.include of files and directories. Unknown keys are none of our
 * business; a line LXC itself would refuse is refused. Values belong to the struct.
 */
#pragma once

#include "base/util.h"

struct lxc_net {
	uint32_t index; /* N of lxc.net.N */
	char *type, *link, *name, *pair, *hwaddr;
};

struct lxc_mount_entry {
	char *source, *target, *fstype, *options; /* one line of lxc.mount.entry or of lxc.mount.fstab */
};

struct lxc_config {
	char *rootfs; /* without its type */
	char *rootfs_type; /* "dir" when none is given */
	char *uts, *fstab, *console, *log_file;
	char *apparmor, *selinux;
	char *cgroup_dir; /* lxc.cgroup.dir.container, or lxc.cgroup.dir */
	uint32_t tty_max, pty_max;
	uint32_t n_idmaps;
	struct lxc_net *nets; /* by index */
	size_t n_nets;
	struct lxc_mount_entry *mounts; /* in the order they are mounted */
	size_t n_mounts;
};

void lxc_config_done(struct lxc_config *c);
/* Where and what a refusal was. */
struct lxc_config_error {
	char file[256];
	unsigned int line;
	const char *what;
};

/*
 * Read the configuration file @path and all it includes into @ret. 0 or a negative errno with
 * *@err filled (-EINVAL: the line is wrong; others: the file cannot be read).
 */
int lxc_config_read(const char *path, struct lxc_config *ret, struct lxc_config_error *err);
/* One line (changed in place) as it stands in a file; 0, or -EINVAL and *@what. No includes. */
int lxc_config_line(struct lxc_config *c, char *line, const char **what);
/* True for entries that bind something of the host. */
bool lxc_mount_is_bind(const struct lxc_mount_entry *m);
/*
 * The name inside of the network @i of @c: lxc.net.N.name; or for phys what it is called outside, for others
 * the first "ethN" that no one before it has. *@ret is malloc()ed. -ENOMEM.
 */
int lxc_net_name(const struct lxc_config *c, size_t i, char **ret);

#define _cleanup_lxc_config_ _cleanup_(lxc_config_done)
