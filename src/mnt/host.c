/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: sources that are parts of this host, as detached mounts made by the coordinator (which is
 * in the host's namespaces and has the right to look anywhere), to be moved in by a hand.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/procfs.h"
#include "mnt/cgroup.h"
#include "mnt/mountinfo.h"
#include "mnt/store.h"

#define ATTRS_ALL 0x2000ffULL /* MOUNT_ATTR_*; MOUNT_ATTR__ATIME as a whole */

/* The mount point at which the source is first seen: also a key of --external. */
static const char *first_point(const struct mnt_store *s, const MntSourceEntry *msg)
{
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].msg->source == msg->id)
			return s->mounts[i].msg->point;
	return "/";
}

/* What the user says of it, NULL: nothing. LXC gives the mount point without its slash. */
static const char *given_path(const struct restore *r, const MntSourceEntry *msg)
{
	const char *point = first_point(r->mnts, msg), *v = NULL;

	if (msg->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE)
		v = options_external(r->opt, "mnt", "console");
	else if (msg->name)
		v = options_external(r->opt, "mnt", msg->name);
	if (!v || !*v)
		v = options_external(r->opt, "mnt", point);
	if (!v || !*v)
		v = options_external(r->opt, "mnt", point + 1);
	return v && *v == '/' ? v : NULL;
}

int rsource_path(const struct restore *r, const struct rsource *s, char **ret)
{
	const MntSourceEntry *msg = s->msg;
	const char *path = NULL;

	switch (msg->kind) {
	case MNT_SOURCE_ENTRY__KIND__ROOTFS:
		if (r->root_fd >= 0)
			return 0;
		path = r->opt->root ? r->opt->root : given_path(r, msg);
		break;
	case MNT_SOURCE_ENTRY__KIND__EXTERNAL:
		path = given_path(r, msg);
		break;
	case MNT_SOURCE_ENTRY__KIND__CONSOLE:
		path = given_path(r, msg);
		if (!path)
			return 0; /* a new one is made */
		break;
	default:
		return 0;
	}
	path = path ? path : msg->path;
	if (!path) {
		log_error(
			"mount source of %s (%s): not on this host at the dump; pass --external mnt[%s]:PATH",
			first_point(r->mnts, msg), msg->fstype, msg->name ? msg->name : "/");
		return -ENOENT;
	}
	*ret = strdup(path);
	return *ret ? 0 : log_oom();
}

/* A detached private mount of @fd's (or @path's) directory or file alone, without flags. */
static int clone_mount(int fd, const char *path)
{
	struct mount_attr attr = { .attr_clr = ATTRS_ALL, .propagation = MS_PRIVATE };
	_cleanup_close_ int tree = open_tree(fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return -errno;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return take_fd(&tree);
}

/* The host's mount of hierarchy @name, as text "mount point" in *@ret. */
static int find_hierarchy(const MntSourceEntry *msg, struct mount_list *host, const struct mount **ret)
{
	for (size_t i = 0; i < host->n; i++) {
		_cleanup_free_ char *name = NULL;

		if (!streq(host->m[i]->fstype, msg->fstype))
			continue;
		if (cgroup_hierarchy(host->m[i], &name) < 0)
			return -ENOMEM;
		if (streq(name, msg->hierarchy)) {
			*ret = host->m[i];
			return 0;
		}
	}
	return -ENOENT;
}

static int read_host_mounts(struct mount_list *ret)
{
	_cleanup_free_ char *text = NULL;
	int err = read_text_at(AT_FDCWD, "/proc/thread-self/mountinfo", &text);

	return err < 0 ? err : mountinfo_parse(text, ret);
}

/* The directory that now is what the mount showed: beside where the first task has been placed. */
static int cgroup_dir(const MntSourceEntry *msg, pid_t pid, char **ret)
{
	_cleanup_free_ char *text = NULL, *now = NULL;
	int err = proc_read(pid, "cgroup", &text);

	if (err >= 0)
		err = cgroup_path_of(text, msg->hierarchy, &now);
	return err < 0 ? err : cgroup_translate(msg, streq(now, "/") ? "" : now, ret);
}

/* As the host has it: mounting version 2 sets its flags for all. */
static int set_hierarchy(int fs, const struct mount *host)
{
	_cleanup_free_ char *copy = strdup(host->options);
	char *rest = copy, *w;

	if (!copy)
		return -ENOMEM;
	if (streq(host->fstype, "cgroup") && strstr(host->options, "name=") &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "none", NULL, 0) < 0)
		return -errno;
	while ((w = strsep(&rest, ","))) {
		char *value = strchr(w, '=');

		if (value)
			*value++ = 0;
		if (*w && fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, w, value, 0) < 0)
			return -errno;
	}
	return 0;
}

/*
 * The hierarchy mounted anew, for its name ("mount source") in mountinfo to be the container's. Binding
 * from a mount that is nowhere attached needs Linux 6.15: a failure is no harm, the name will differ.
 */
static int named_hierarchy(const MntSourceEntry *msg, const struct mount *host, const char *below)
{
	_cleanup_close_ int fs = fsopen(msg->fstype, FSOPEN_CLOEXEC), fd = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", msg->device, 0) < 0 ||
	    set_hierarchy(fs, host) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -EOPNOTSUPP;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -EOPNOTSUPP : clone_mount(fd, below);
}

static int open_hierarchy(const MntSourceEntry *msg, pid_t pid)
{
	_cleanup_(mount_list_done) struct mount_list host = { 0 };
	_cleanup_free_ char *dir = NULL, *path = NULL;
	const struct mount *m = NULL;
	const char *below;
	int err = read_host_mounts(&host), fd = -1;

	if (err >= 0)
		err = find_hierarchy(msg, &host, &m);
	if (err >= 0)
		err = cgroup_dir(msg, pid, &dir);
	if (err < 0)
		return err;
	below = path_below(*dir ? dir : "/", m->root);
	if (!below)
		return -ENOENT;
	if (!streq(m->source, msg->device) && streq(m->root, "/"))
		fd = named_hierarchy(msg, m, below);
	if (fd >= 0)
		return fd;
	path = xasprintf("%s%s%s", m->point, *below ? "/" : "", below);
	return path ? clone_mount(AT_FDCWD, path) : -ENOMEM;
}

int rsource_open_host(struct restore *r, const struct rsource *s, pid_t pid)
{
	const MntSourceEntry *msg = s->msg;
	int fd;

	if (msg->kind == MNT_SOURCE_ENTRY__KIND__ROOTFS && r->root_fd >= 0) {
		fd = clone_mount(r->root_fd, "");
		return fd < 0 ? log_errno(fd, "the container's root directory") : fd;
	}
	if (msg->kind == MNT_SOURCE_ENTRY__KIND__CGROUP) {
		fd = open_hierarchy(msg, pid);
		return fd < 0 ? log_errno(fd, "control group mount (%s) of %s on this host",
					  *msg->hierarchy ? msg->hierarchy : "cgroup2", msg->cgroup)
			      : fd;
	}
	fd = clone_mount(AT_FDCWD, s->path);
	return fd < 0 ? log_errno(fd, "mount source %s", s->path) : fd;
}

int host_mount_of(const struct restore *r, const struct rsource *s, struct mount_list *host,
		  const struct mount **ret)
{
	bool root = s->msg->kind == MNT_SOURCE_ENTRY__KIND__ROOTFS && r->root_fd >= 0;
	struct statx st;
	int err;

	if (statx(root ? r->root_fd : AT_FDCWD, root ? "" : s->path, AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return -errno;
	err = read_host_mounts(host);
	if (err < 0)
		return err;
	*ret = mount_list_find(host, (int)st.stx_mnt_id);
	return *ret ? 0 : -ENOENT;
}
