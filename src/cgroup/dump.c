/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's cgroups: below its payload cgroup in each hierarchy all directories, with owners, modes,
 * extended attributes and the properties of props.c. A hierarchy in which the tasks stand where we stand
 * ourselves, or in its root, has nothing of the container's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "base/procfs.h"
#include "cgroup/devices.h"
#include "cgroup/props.h"
#include "cgroup/table.h"
#include "image/image.h"
#include "proto/cgroup.pb-c.h"

#define DIRS_MAX 65536

static int append(void *array, size_t *n, void *item)
{
	void ***arr = array;

	if (!item || !GROW(*arr, *n)) {
		free(item);
		return -ENOMEM;
	}
	(*arr)[(*n)++] = item;
	return 0;
}

static int dump_props(int dir, bool v2, CgroupDirEntry *e)
{
	for (size_t i = 0; i < cg_n_props; i++) {
		CgroupPropEntry *p;
		char *value;
		int err;

		if (cg_props[i].v2 != v2)
			continue;
		err = prop_read(dir, &cg_props[i], &value);
		if (err == -ENOENT)
			continue;
		if (err < 0)
			return log_errno(err, "cgroup %s: %s", e->path, cg_props[i].name);
		p = calloc(1, sizeof(*p));
		if (append(&e->props, &e->n_props, p) < 0) {
			free(value);
			return log_oom();
		}
		cgroup_prop_entry__init(p);
		p->value = value;
		p->name = strdup(cg_props[i].name);
		if (!p->name)
			return log_oom();
	}
	return 0;
}

static int dump_file(CgroupDirEntry *e, const char *name, const struct stat *st)
{
	CgroupFileEntry *f = calloc(1, sizeof(*f));

	if (append(&e->files, &e->n_files, f) < 0)
		return log_oom();
	cgroup_file_entry__init(f);
	f->uid = st->st_uid;
	f->gid = st->st_gid;
	f->mode = st->st_mode & 0777;
	f->name = strdup(name);
	return f->name ? 0 : log_oom();
}

static int dump_xattr(int dir, CgroupDirEntry *e, const char *name)
{
	uint8_t value[4096];
	ssize_t n = fgetxattr(dir, name, value, sizeof(value));
	CgroupXattrEntry *x;

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	x = calloc(1, sizeof(*x));
	if (append(&e->xattrs, &e->n_xattrs, x) < 0)
		return log_oom();
	cgroup_xattr_entry__init(x);
	x->name = strdup(name);
	x->value.data = malloc(n ? (size_t)n : 1);
	if (!x->name || !x->value.data)
		return log_oom();
	memcpy(x->value.data, value, (size_t)n);
	x->value.len = (size_t)n;
	return 0;
}

static int dump_xattrs(int dir, CgroupDirEntry *e)
{
	char names[4096];
	ssize_t len = flistxattr(dir, names, sizeof(names));
	int err = 0;

	for (const char *p = names; !err && len > 0 && p < names + len; p += strlen(p) + 1)
		if (startswith(p, "user.") || startswith(p, "trusted."))
			err = dump_xattr(dir, e, p);
	return err;
}

static int dump_dir_self(int dir, bool v2, CgroupDirEntry *e)
{
	struct stat st;
	int err;

	if (fstat(dir, &st) < 0)
		return log_errno(errno, "cgroup %s", e->path);
	e->uid = st.st_uid;
	e->gid = st.st_gid;
	e->mode = st.st_mode & 07777;
	err = dump_xattrs(dir, e);
	if (!err && v2)
		err = cg_devices_dump(dir, e);
	return err < 0 ? err : dump_props(dir, v2, e);
}

/* Whether anything of the dump lies in or below @path; always true in a subtree of the container's own. */
static bool wanted(const struct cgroup_table *t, size_t hier, const char *path)
{
	if (t->hiers[hier].own_subtree)
		return true;
	for (size_t i = 0; i < t->n_sets; i++)
		if (cg_path_below(t->sets[i].paths[hier], path))
			return true;
	return false;
}

static int dump_dir(const struct cgroup_table *t, size_t hier, const char *path, CgroupHierEntry *out);

static int dump_child(const struct cgroup_table *t, size_t hier, const char *path, const char *name,
		      CgroupHierEntry *out)
{
	_cleanup_free_ char *child = xasprintf("%s/%s", path, name);

	if (!child)
		return log_oom();
	return wanted(t, hier, child) ? dump_dir(t, hier, child, out) : 0;
}

static int dump_entries(DIR *d, const struct cgroup_table *t, size_t hier, CgroupDirEntry *e,
			CgroupHierEntry *out)
{
	struct dirent *de;
	int err = 0;

	while (!err && (de = readdir(d))) {
		struct stat st;

		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		if (de->d_type == DT_DIR)
			err = dump_child(t, hier, e->path, de->d_name, out);
		else if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 (st.st_uid || st.st_gid || st.st_mode & 022))
			err = dump_file(e, de->d_name, &st);
	}
	return err;
}

static int dump_dir(const struct cgroup_table *t, size_t hier, const char *path, CgroupHierEntry *out)
{
	const struct cg_hier *h = &t->hiers[hier];
	_cleanup_free_ char *full = xasprintf("%s%s", h->root, path);
	CgroupDirEntry *e = calloc(1, sizeof(*e));
	_cleanup_close_ int fd = -1;
	_cleanup_dir_ DIR *d = NULL;
	int err;

	if (!full || out->n_dirs >= DIRS_MAX || append(&out->dirs, &out->n_dirs, e) < 0)
		return log_oom();
	cgroup_dir_entry__init(e);
	e->path = strdup(path);
	fd = cg_open_dir(h->fd, full);
	if (fd < 0)
		return log_errno(fd, "cgroup %s in hierarchy %s", full, *h->ctrl ? h->ctrl : "v2");
	d = dir_open_at(fd, ".");
	if (!d)
		return log_oom();
	err = e->path ? dump_dir_self(fd, !*h->ctrl, e) : log_oom();
	if (!err)
		err = dump_entries(d, t, hier, e, out);
	return err;
}

static int dump_hier(const struct cgroup_table *t, size_t i, CgroupEntry *msg)
{
	CgroupHierEntry *e = calloc(1, sizeof(*e));

	if (append(&msg->hiers, &msg->n_hiers, e) < 0)
		return log_oom();
	cgroup_hier_entry__init(e);
	e->controllers = strdup(t->hiers[i].ctrl);
	e->root = strdup(t->hiers[i].root);
	e->outside = t->hiers[i].outside;
	if (!e->controllers || !e->root)
		return log_oom();
	return e->outside ? 0 : dump_dir(t, i, "", e);
}

static int dump_set(const struct cgroup_table *t, size_t i, CgroupEntry *msg)
{
	CgroupSetEntry *e = calloc(1, sizeof(*e));

	if (append(&msg->sets, &msg->n_sets, e) < 0)
		return log_oom();
	cgroup_set_entry__init(e);
	e->id = i + 1;
	e->paths = calloc(t->n_hiers + 1, sizeof(*e->paths));
	for (size_t k = 0; e->paths && k < t->n_hiers; k++) {
		e->paths[k] = strdup(t->sets[i].paths[k]);
		if (!e->paths[k])
			return log_oom();
		e->n_paths++;
	}
	return e->paths ? 0 : log_oom();
}

/* All placements, whether tasks_dump() and ns_dump() asked for them already or not. */
static int collect_sets(struct dump *d)
{
	uint32_t id;
	int err = 0;

	for (size_t i = 0; i < d->n_tasks && !err; i++)
		for (size_t k = 0; k < d->tasks[i]->n_threads && d->tasks[i]->state != TASK_ZOMBIE && !err;
		     k++)
			err = cgroup_id_of(d, d->tasks[i]->threads[k].tid, &id);
	for (size_t i = 0; i < d->n_ns && !err; i++)
		if (d->ns[i]->kind == NS_CGROUP)
			err = cgroup_ns_root_id(d, d->ns[i], &id);
	return err;
}

int cgroup_dump(struct dump *d)
{
	struct cgroup_table *t;
	CgroupEntry *msg;
	int err;

	if (d->opt->cgroups == CGROUP_NONE || d->opt->cgroups == CGROUP_IGNORE)
		return 0;
	err = cg_table(d, &t);
	if (err < 0)
		return err;
	msg = malloc(sizeof(*msg));
	if (!msg)
		return log_oom();
	cgroup_entry__init(msg);
	err = collect_sets(d);
	for (size_t i = 0; i < t->n_sets && !err; i++)
		err = dump_set(t, i, msg);
	for (size_t i = 0; i < t->n_hiers && !err; i++)
		err = dump_hier(t, i, msg);
	if (!err)
		err = image_write_one(d->img, "cgroups", &msg->base);
	cgroup_entry__free_unpacked(msg, NULL);
	return err;
}

/* A cgroup below the container's own that is frozen by itself: its tasks could not be held. */
static int survey_frozen(struct dump *d, const struct cg_hier *h, pid_t pid, const char *path)
{
	_cleanup_close_ int dir = cg_open_dir(h->fd, path);
	_cleanup_free_ char *state = NULL;

	if (dir < 0 || streq(path, h->root) ||
	    read_text_at(dir, *h->ctrl ? "freezer.self_freezing" : "cgroup.freeze", &state) < 0 ||
	    state[0] != '1')
		return 0;
	return dump_obstacle(d, "pid %d: its cgroup %s is frozen; thaw it", pid, path);
}

int cgroup_survey(struct dump *d)
{
	struct cgroup_table *t;
	int err = 0;

	if (d->opt->cgroups == CGROUP_NONE || d->opt->cgroups == CGROUP_IGNORE || !d->n_tasks)
		return 0;
	cg_survey_attached(d);
	cgroup_dump_done(d);
	err = cg_table(d, &t);
	for (size_t i = 0; i < d->n_tasks && !err; i++) {
		struct cg_lines lines _cleanup_cg_lines_ = { 0 };

		if (d->tasks[i]->state == TASK_ZOMBIE || cg_read(d->tasks[i]->pid, &lines) < 0)
			continue;
		for (size_t k = 0; k < t->n_hiers && !err; k++) {
			const struct cg_line *line = cg_find(&lines, t->hiers[k].ctrl);

			if (line && !t->hiers[k].outside && (!*line->ctrl || streq(line->ctrl, "freezer")))
				err = survey_frozen(d, &t->hiers[k], d->tasks[i]->pid, line->path);
		}
	}
	cgroup_dump_done(d); /* tasks may still move */
	return err;
}
