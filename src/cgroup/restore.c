/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cgroups made again: directories below the payload cgroup (which LXC's monitor may have made), what must
 * be set before tasks are in them, placement by us from outside, limits when all memory is filled.
 * Device rules are set before the children exist: the kernel takes "a" only then.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "base/map.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "cgroup/devices.h"
#include "cgroup/props.h"
#include "cgroup/store.h"

static const char *hier_name(const CgroupHierEntry *h)
{
	return *h->controllers ? h->controllers : "v2";
}

int cg_target_dir(const struct cg_target *t, const char *path)
{
	_cleanup_free_ char *full = xasprintf("%s%s", t->root, path);

	return full ? cg_open_dir(t->fd, full) : -ENOMEM;
}

static int note_made(struct cgroup_store *s, size_t hier, const char *path)
{
	char *copy = strdup(path);

	if (!copy || !GROW(s->made, s->n_made)) {
		free(copy);
		return -ENOMEM;
	}
	s->made[s->n_made++] = (struct cg_made){ .hier = hier, .path = copy };
	return 0;
}

/* The directory @path, whose parent exists; *@made: it was not there. */
static int make_dir(struct cgroup_store *s, size_t hier, const char *path, bool *made)
{
	const struct cg_target *t = &s->targets[hier];
	_cleanup_free_ char *parent = strdup(path);
	_cleanup_close_ int up = -1;
	char *slash = parent ? strrchr(parent, '/') : NULL;

	*made = false;
	if (!slash)
		return -ENOMEM;
	*slash = 0;
	up = cg_open_dir(t->fd, parent);
	if (up < 0)
		return up;
	if (mkdirat(up, slash + 1, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	*made = true;
	return note_made(s, hier, path);
}

/* A new v1 cpuset has no CPUs and no memory nodes: one that is not in the image is as its parent. */
static int inherit_cpuset(const struct cg_target *t, const char *path)
{
	static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
	_cleanup_close_ int dir = cg_open_dir(t->fd, path), up = -1;
	int err = 0;

	if (dir < 0)
		return dir;
	up = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names) && !err; i++) {
		_cleanup_free_ char *value = NULL;

		err = read_text_at(up, names[i], &value);
		if (!err)
			err = write_text_at(dir, names[i], value);
	}
	return err;
}

/* The payload cgroup and those above it. */
static int make_root(struct cgroup_store *s, size_t hier, bool *made)
{
	_cleanup_free_ char *path = strdup(s->targets[hier].root);
	int err = 0;

	if (!path)
		return -ENOMEM;
	for (char *p = path + 1; !err; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		err = make_dir(s, hier, path, made);
		if (!err && *made && c && cg_has_controller(s->targets[hier].msg->controllers, "cpuset"))
			err = inherit_cpuset(&s->targets[hier], path);
		*p = c;
		if (!c)
			break;
	}
	return err;
}

static int set_owner(int dir, const CgroupDirEntry *d)
{
	if (fchown(dir, d->uid, d->gid) < 0 || fchmod(dir, d->mode & 07777) < 0)
		return -errno;
	for (size_t i = 0; i < d->n_files; i++) {
		const CgroupFileEntry *f = d->files[i];

		if (fchownat(dir, f->name, f->uid, f->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fchmodat(dir, f->name, f->mode & 0777, 0) < 0) {
			if (errno != ENOENT) /* a controller of the other machine */
				return -errno;
		}
	}
	for (size_t i = 0; i < d->n_xattrs; i++) {
		const CgroupXattrEntry *x = d->xattrs[i];

		if (fsetxattr(dir, x->name, x->value.data, x->value.len, 0) < 0)
			return -errno;
	}
	return 0;
}

static int set_props(const struct restore *r, const struct cg_target *t, const CgroupDirEntry *d, int dir,
		     enum prop_when when)
{
	for (size_t i = 0; i < d->n_props; i++) {
		const CgroupPropEntry *e = d->props[i];
		const struct prop *p = prop_find(cg_is_v2(t->msg), e->name);
		int err;

		if (p->when != when)
			continue;
		err = prop_write(dir, p, e->value);
		if (err == -ENOENT)
			log_warn("cgroup %s%s: this machine has no %s, it was %.40s", t->root, d->path,
				 e->name, e->value);
		else if (err < 0 && r->opt->cgroups == CGROUP_SOFT)
			log_warn("cgroup %s%s: %s stays, %.60s was refused", t->root, d->path, e->name,
				 e->value);
		else if (err < 0)
			return log_errno(err, "cgroup %s%s (%s): %s = %.60s", t->root, d->path,
					 hier_name(t->msg), e->name, e->value);
	}
	return 0;
}

/* Properties of existing cgroups are left alone in soft mode. */
static bool may_set(const struct restore *r, size_t hier, size_t i)
{
	return r->opt->cgroups != CGROUP_SOFT || map_get(&r->cgroups->created, (uint64_t)hier << 32 | i);
}

static int make_one(struct restore *r, size_t hier, size_t i)
{
	struct cgroup_store *s = r->cgroups;
	const struct cg_target *t = &s->targets[hier];
	const CgroupDirEntry *d = t->msg->dirs[i];
	_cleanup_free_ char *full = xasprintf("%s%s", t->root, d->path);
	_cleanup_close_ int dir = -1;
	bool made = false;
	int err = full ? 0 : -ENOMEM;

	if (!err && r->opt->cgroups != CGROUP_PROPS)
		err = *d->path ? make_dir(s, hier, full, &made) : make_root(s, hier, &made);
	if (!err && made)
		err = map_put(&s->created, (uint64_t)hier << 32 | i, s);
	dir = err < 0 ? err : cg_open_dir(t->fd, full);
	if (dir < 0)
		return log_errno(dir, "cgroup %s (%s)", full, hier_name(t->msg));
	if (!made && !*d->path && r->opt->cgroups == CGROUP_STRICT)
		return log_errno(-EEXIST, "cgroup %s (%s)", full, hier_name(t->msg));
	if (!may_set(r, hier, i))
		return 0;
	err = set_owner(dir, d);
	if (err < 0)
		return log_errno(err, "cgroup %s (%s): owner, mode and attributes", full, hier_name(t->msg));
	return set_props(r, t, d, dir, PROP_MAKE);
}

/* Whether this machine has the hierarchy; one that it has not is dropped with a line in soft mode. */
static int open_target(struct restore *r, const struct cg_lines *own, struct cg_target *t)
{
	if (t->msg->outside)
		return 0;
	if (!cg_find(own, t->msg->controllers)) {
		if (r->opt->cgroups != CGROUP_SOFT) {
			log_error("cgroup hierarchy %s does not exist here; restore with "
				  "--manage-cgroups=soft or none",
				  hier_name(t->msg));
			return -ENODEV;
		}
		log_warn("cgroup hierarchy %s does not exist here and is left out", hier_name(t->msg));
		return 0;
	}
	t->fd = cg_open_root(t->msg->controllers);
	if (t->fd < 0)
		return log_errno(t->fd, "cgroup hierarchy %s", hier_name(t->msg));
	t->active = true;
	return 0;
}

int cgroup_make(struct restore *r)
{
	struct cg_lines own _cleanup_cg_lines_ = { 0 };
	struct cgroup_store *s = r->cgroups;
	int err;

	if (!s->msg)
		return 0;
	err = cg_read(0, &own);
	if (err < 0)
		return log_errno(err, "/proc/self/cgroup");
	for (size_t i = 0; i < s->msg->n_hiers && !err; i++) {
		err = open_target(r, &own, &s->targets[i]);
		for (size_t k = 0; k < s->msg->hiers[i]->n_dirs && s->targets[i].active && !err; k++)
			err = make_one(r, i, k);
	}
	return err;
}

/* Whether @tid is a thread and not its process's leader. */
static bool is_thread(pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	uint64_t tgid;

	return proc_read(tid, "status", &status) == 0 && key_u64(status, "Tgid", 10, &tgid) == 0 &&
	       tgid != (uint64_t)tid;
}

static int move_to(const struct cg_target *t, const char *path, pid_t tid)
{
	const char *file = "cgroup.procs";
	_cleanup_close_ int dir = cg_target_dir(t, path);
	int err;

	if (dir < 0)
		return dir;
	if (is_thread(tid))
		file = cg_is_v2(t->msg) ? "cgroup.threads" : "tasks";
	err = write_textf_at(dir, file, "%d", tid);
	/* a process of a threaded cgroup enters by its threads */
	if (err == -EOPNOTSUPP && cg_is_v2(t->msg))
		err = write_textf_at(dir, "cgroup.threads", "%d", tid);
	return err;
}

int cgroup_place(struct restore *r, pid_t tid, uint32_t id)
{
	struct cg_lines now _cleanup_cg_lines_ = { 0 };
	const struct cgroup_store *s = r->cgroups;
	int err;

	if (!s->msg || !id)
		return 0;
	if (id > s->msg->n_sets)
		return log_errno(-EBADMSG, "pid %d: cgroup placement %u is not in the image", tid, id);
	err = cg_read(tid, &now);
	if (err < 0)
		return log_errno(err, "pid %d: /proc/PID/cgroup", tid);
	for (size_t i = 0; i < s->msg->n_hiers; i++) {
		const struct cg_target *t = &s->targets[i];
		const struct cg_line *line = cg_find(&now, t->msg->controllers);
		const char *path = s->msg->sets[id - 1]->paths[i], *below;

		if (!t->active)
			continue;
		/* a move is dear, and a child starts where its parent is */
		below = line ? startswith(line->path, t->root) : NULL;
		if (below && streq(below, path))
			continue;
		err = move_to(t, path, tid);
		if (err < 0)
			return log_errno(err, "pid %d: into cgroup %s%s (%s)", tid, t->root, path,
					 hier_name(t->msg));
	}
	return 0;
}

int cgroup_limits(struct restore *r)
{
	const struct cgroup_store *s = r->cgroups;

	for (size_t i = 0; s->msg && i < s->msg->n_hiers; i++) {
		const struct cg_target *t = &s->targets[i];

		for (size_t k = 0; t->active && k < t->msg->n_dirs; k++) {
			_cleanup_close_ int dir = -1;
			int err;

			if (!may_set(r, i, k))
				continue;
			dir = cg_target_dir(t, t->msg->dirs[k]->path);
			if (dir < 0)
				return log_errno(dir, "cgroup %s%s", t->root, t->msg->dirs[k]->path);
			err = set_props(r, t, t->msg->dirs[k], dir, PROP_LIMIT);
			if (!err)
				err = cg_devices_restore(dir, t->msg->dirs[k]);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

#define UNDO_PATIENCE_MS 2000
#define END_PATIENCE_MS 200

/* Tasks that were killed leave their cgroup only when they are gone for good. */
static int remove_dir(const struct cg_target *t, const char *path, int patience_ms)
{
	_cleanup_free_ char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	_cleanup_close_ int up = -1;

	if (!slash)
		return -ENOMEM;
	*slash = 0;
	up = cg_open_dir(t->fd, parent);
	if (up < 0)
		return up == -ENOENT ? 0 : up;
	for (int ms = 0; ms < patience_ms; ms += 10) {
		if (unlinkat(up, slash + 1, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		usleep(10000);
	}
	return -EBUSY;
}

int cgroup_undo(struct restore *r)
{
	struct cgroup_store *s = r->cgroups;
	int ret = 0;

	if (!s)
		return 0;
	while (s->n_made) {
		struct cg_made *m = &s->made[--s->n_made];
		int err = remove_dir(&s->targets[m->hier], m->path, UNDO_PATIENCE_MS);

		if (err < 0)
			ret = log_errno(err, "cgroup %s (%s): remove", m->path,
					hier_name(s->msg->hiers[m->hier]));
		free(m->path);
	}
	return ret;
}

void cgroup_ended(struct restore *r)
{
	const struct cgroup_store *s = r->cgroups;

	for (size_t i = s ? s->n_made : 0; i-- > 0;)
		(void)remove_dir(&s->targets[s->made[i].hier], s->made[i].path, END_PATIENCE_MS);
}
