/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: file systems made again by fsopen(2) in the hands of a task that is in the right user, pid,
 * network and ipc namespaces, and filled by the coordinator through a handle of their mount.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "mnt/archive.h"
#include "mnt/options.h"
#include "mnt/store.h"

struct maker {
	struct remote *hand;
	struct remote_call *fs; /* fsopen */
	const MntSourceEntry *msg;
	char *uid_map, *gid_map; /* NULL: ours */
};

static void config(struct maker *k, unsigned int cmd, const char *key, const char *value)
{
	struct remote_call *c;

	c = remote_call(k->hand, SYS_fsconfig, 0, cmd, key ? remote_str(k->hand, key) : 0,
			value ? remote_str(k->hand, value) : 0, 0);
	remote_ref(k->hand, c, 0, k->fs);
}

/* "uid" and "gid" mean another number in the hand's user namespace; an id without a name there is left out.
 */
static void config_option(struct maker *k, const MntOptionEntry *o)
{
	const char *map = streq(o->key, "uid") ? k->uid_map : streq(o->key, "gid") ? k->gid_map : NULL;
	uint32_t id;
	char text[16];

	if (!o->value) {
		config(k, FSCONFIG_SET_FLAG, o->key, NULL);
		return;
	}
	if (!map) {
		config(k, FSCONFIG_SET_STRING, o->key, o->value);
		return;
	}
	if (parse_u32(o->value, 10, &id) < 0 || id_to_inside(map, id, &id) < 0)
		return;
	snprintf(text, sizeof(text), "%u", id);
	config(k, FSCONFIG_SET_STRING, o->key, text);
}

static void config_flags(struct maker *k)
{
	if (k->msg->sb_flags & MS_SYNCHRONOUS)
		config(k, FSCONFIG_SET_FLAG, "sync", NULL);
	if (k->msg->sb_flags & MS_DIRSYNC)
		config(k, FSCONFIG_SET_FLAG, "dirsync", NULL);
	if (k->msg->sb_flags & MS_LAZYTIME)
		config(k, FSCONFIG_SET_FLAG, "lazytime", NULL);
}

/* A hierarchy of version 1 without controllers must say so. */
static bool is_bare_cgroup(const MntSourceEntry *msg)
{
	return streq(msg->fstype, "cgroup") && msg->n_options == 1 && streq(msg->options[0]->key, "name");
}

static void log_failure(const struct maker *k, int err)
{
	const struct remote_call *c = remote_failed(k->hand);
	const char *key = "";

	if (c && c->nr == SYS_fsconfig && c->args[2])
		key = (const char *)k->hand->slot + (c->args[2] - k->hand->slot_addr);
	log_errno(err, "making the file system %s%s%s", k->msg->fstype, *key ? ": option " : "", key);
}

static int make(struct maker *k)
{
	const MntSourceEntry *msg = k->msg;
	struct remote_call *fd, *c;
	int err;

	k->fs = remote_call(k->hand, SYS_fsopen, remote_str(k->hand, msg->fstype), FSOPEN_CLOEXEC);
	if (msg->device[0])
		config(k, FSCONFIG_SET_STRING, "source", msg->device);
	if (is_bare_cgroup(msg))
		config(k, FSCONFIG_SET_FLAG, "none", NULL);
	for (size_t i = 0; i < msg->n_options; i++)
		config_option(k, msg->options[i]);
	config_flags(k);
	config(k, FSCONFIG_CMD_CREATE, NULL, NULL);
	fd = remote_call(k->hand, SYS_fsmount, 0, FSMOUNT_CLOEXEC, 0);
	remote_ref(k->hand, fd, 0, k->fs);
	c = remote_call(k->hand, SYS_close, 0);
	remote_ref(k->hand, c, 0, k->fs);
	err = remote_run(k->hand);
	if (err < 0)
		log_failure(k, err);
	return err < 0 ? err : (int)fd->ret;
}

int fs_make(struct restore *r, struct rtask *t, struct rsource *s)
{
	struct maker k = { .hand = t->hand, .msg = s->msg };
	int ret = 0;

	if (s->msg->n_options > 64)
		return log_errno(-EBADMSG, "mnt-sources.img: %s: too many options", s->msg->fstype);
	if (t->msg->n_ns_ids == NS_KINDS && t->msg->ns_ids[NS_USER]) {
		ret = proc_read(t->pid, "uid_map", &k.uid_map);
		if (ret >= 0)
			ret = proc_read(t->pid, "gid_map", &k.gid_map);
	}
	ret = ret < 0 ? log_errno(ret, "pid %d: id maps", t->pid) : make(&k);
	free(k.uid_map);
	free(k.gid_map);
	return ret;
}

/* The directory of @path in the file system @fd; *@ret_name is the rest, in @copy. */
static int open_parent(int fd, char *copy, const char **ret_name)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	char *slash = strrchr(copy, '/');
	int dir;

	*slash = 0;
	dir = syscall(SYS_openat2, fd, *copy ? copy : "/", &how, sizeof(how));
	*ret_name = slash + 1;
	return dir < 0 ? -errno : dir;
}

static int set_times(int dir, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return RET_NERRNO(utimensat(AT_FDCWD, path, times, 0));
}

/* Is the name free and its directory there? Then an unlinked root gets its own name back. */
static bool can_have(int fd, const char *root)
{
	_cleanup_free_ char *copy = strdup(root);
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;

	if (!copy)
		return false;
	dir = open_parent(fd, copy, &name);
	return dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* An unlinked root, for a while under a name; its directory's times stay. */
static int fill_deleted(int fd, const char *place, bool is_dir, int in, const char *what)
{
	_cleanup_free_ char *copy = strdup(place);
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;
	int err;

	if (!copy)
		return log_oom();
	dir = open_parent(fd, copy, &name);
	if (dir < 0 || fstat(dir, &st) < 0)
		return log_errno(errno, "%s", what);
	err = archive_unpack(fd, place, is_dir, in, what);
	return err < 0 ? err : set_times(dir, &st);
}

int fs_fill(struct restore *r, struct rsource *s, int fd)
{
	for (size_t i = 0; i < s->msg->n_trees; i++) {
		const MntTreeEntry *tree = s->msg->trees[i];
		_cleanup_free_ char *what = xasprintf("%s (%s)", tree->archive, s->msg->fstype);
		_cleanup_close_ int in = -1;
		int err;

		s->places[i] = tree->deleted && !can_have(fd, tree->root) ? xasprintf("/.ctcr-%zu", i)
									  : strdup(tree->root);
		if (!s->places[i] || !what)
			return log_oom();
		in = image_raw_open(r->img, tree->archive);
		if (in < 0)
			return log_errno(in, "%s", what);
		err = tree->deleted ? fill_deleted(fd, s->places[i], tree->is_dir, in, what)
				    : archive_unpack(fd, s->places[i], tree->is_dir, in, what);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Unlink @path without leaving a trace in its directory's times. */
static int forget(int fd, const char *path, bool is_dir)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;

	if (!copy)
		return -ENOMEM;
	dir = open_parent(fd, copy, &name);
	if (dir < 0 || fstat(dir, &st) < 0 || unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) < 0)
		return -errno;
	return set_times(dir, &st);
}

static int set_readonly(int fd)
{
	_cleanup_close_ int fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

int fs_finish(struct rsource *s)
{
	const MntSourceEntry *msg = s->msg;
	int err = 0;

	if (msg->kind != MNT_SOURCE_ENTRY__KIND__FS || s->fd < 0)
		return 0;
	for (size_t i = 0; i < msg->n_trees && err >= 0; i++)
		if (msg->trees[i]->deleted && s->places[i])
			err = forget(s->fd, s->places[i], msg->trees[i]->is_dir);
	if (err >= 0 && (msg->sb_flags & MS_RDONLY))
		err = set_readonly(s->fd);
	return err < 0 ? log_errno(err, "finishing the file system %s", msg->fstype) : 0;
}
