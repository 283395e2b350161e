/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroups.img read and checked: names are those of props.c, paths are plain, references exist. */
#include "base/log.h"
#include "base/map.h"
#include "cgroup/devices.h"
#include "cgroup/props.h"
#include "cgroup/store.h"
#include "cgroup/table.h"
#include "image/image.h"

static bool sub_path_ok(const char *path)
{
	return !*path || (path[1] && cg_path_ok(path));
}

static bool name_ok(const char *name)
{
	return *name && !strchr(name, '/') && *name != '.' && strlen(name) < 256;
}

static int check_dir(const CgroupHierEntry *h, const CgroupDirEntry *d)
{
	if (!sub_path_ok(d->path))
		return -EBADMSG;
	for (size_t i = 0; i < d->n_props; i++)
		if (!prop_find(cg_is_v2(h), d->props[i]->name))
			return -EBADMSG;
	for (size_t i = 0; i < d->n_files; i++)
		if (!name_ok(d->files[i]->name))
			return -EBADMSG;
	if (cg_devices_check(d) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < d->n_xattrs; i++)
		if (!startswith(d->xattrs[i]->name, "user.") && !startswith(d->xattrs[i]->name, "trusted."))
			return -EBADMSG;
	return 0;
}

static int check_hier(const CgroupHierEntry *h)
{
	int err = 0;

	if (h->outside)
		return 0;
	if (!cg_path_ok(h->root) || !h->root[1] || !h->n_dirs || *h->dirs[0]->path)
		return -EBADMSG;
	for (size_t i = 0; i < h->n_dirs && !err; i++)
		err = check_dir(h, h->dirs[i]);
	return err;
}

static bool has_dir(const CgroupHierEntry *h, const char *path)
{
	for (size_t i = 0; i < h->n_dirs; i++)
		if (streq(h->dirs[i]->path, path))
			return true;
	return h->outside && !*path;
}

static int check_set(const CgroupEntry *msg, size_t i)
{
	const CgroupSetEntry *s = msg->sets[i];

	if (s->id != i + 1 || s->n_paths != msg->n_hiers)
		return -EBADMSG;
	for (size_t k = 0; k < s->n_paths; k++)
		if (!has_dir(msg->hiers[k], s->paths[k]))
			return -EBADMSG;
	return 0;
}

static int check(const CgroupEntry *msg)
{
	int err = msg->n_hiers <= 64 && msg->n_sets <= 1 << 20 ? 0 : -EBADMSG;

	for (size_t i = 0; i < msg->n_hiers && !err; i++)
		err = check_hier(msg->hiers[i]);
	for (size_t i = 0; i < msg->n_sets && !err; i++)
		err = check_set(msg, i);
	return err;
}

static int find_targets(struct restore *r)
{
	struct cgroup_store *s = r->cgroups;

	s->targets = calloc(s->msg->n_hiers + 1, sizeof(*s->targets));
	if (!s->targets)
		return log_oom();
	for (size_t i = 0; i < s->msg->n_hiers; i++) {
		struct cg_target *t = &s->targets[i];
		int err;

		t->msg = s->msg->hiers[i];
		t->fd = -1;
		err = cg_option_root(r->opt, t->msg->controllers, &t->root);
		if (!err && !t->root)
			t->root = strdup(t->msg->root);
		if (!t->root)
			return log_oom();
		if (!t->msg->outside && (!cg_path_ok(t->root) || !t->root[1]))
			return log_errno(-EINVAL, "--cgroup-root %s", t->root);
	}
	return 0;
}

int cgroup_load(struct restore *r)
{
	ProtobufCMessage *msg;
	int err;

	r->cgroups = calloc(1, sizeof(*r->cgroups));
	if (!r->cgroups)
		return log_oom();
	if (r->opt->cgroups == CGROUP_NONE || r->opt->cgroups == CGROUP_IGNORE ||
	    !image_has(r->img, "cgroups.img"))
		return 0;
	err = image_read_one(r->img, "cgroups", &cgroup_entry__descriptor, &msg);
	if (err < 0)
		return err;
	r->cgroups->msg = (CgroupEntry *)msg;
	err = check(r->cgroups->msg);
	return err < 0 ? log_errno(err, "cgroups.img is damaged") : find_targets(r);
}

void cgroup_restore_done(struct restore *r)
{
	struct cgroup_store *s = r->cgroups;

	if (!s)
		return;
	for (size_t i = 0; s->targets && i < s->msg->n_hiers; i++) {
		if (s->targets[i].active)
			close_fd(&s->targets[i].fd);
		free(s->targets[i].root);
	}
	for (size_t i = 0; i < s->n_made; i++)
		free(s->made[i].path);
	if (s->msg)
		cgroup_entry__free_unpacked(s->msg, NULL);
	map_done(&s->created);
	free(s->targets);
	free(s->made);
	free(s);
	r->cgroups = NULL;
}
