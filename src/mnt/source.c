/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/source.h"

#include <stdio.h>

#include "base/io.h"
#include "base/parse.h"

static const struct fs_type *const families[] = { fs_memory_types, fs_kernel_types, fs_cgroup_types,
						  fs_refused_types };

static const struct fs_type unknown_type = {
	.name = "",
	.cls = FS_REFUSE,
	.reason = "its contents are on no file system of the host; mount it on the host too, or pass "
		  "--external mnt[PATH]:NAME",
};

const struct fs_type *fs_type_of(const char *fstype)
{
	size_t n = strcspn(fstype, "."); /* fuse.sshfs */

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		for (const struct fs_type *t = families[i]; t->name; t++)
			if (strncmp(t->name, fstype, n) == 0 && !t->name[n])
				return t;
	return &unknown_type;
}

static void source_free(struct mnt_source *s)
{
	if (!s)
		return;
	free(s->root);
	free(s->path);
	free(s->name);
	free(s);
}

static void source_freep(struct mnt_source **s)
{
	source_free(*s);
}

void source_list_done(struct source_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		source_free(l->s[i]);
	free(l->s);
	*l = (struct source_list){ 0 };
}

static bool on_host(const struct source_world *w, uint64_t dev)
{
	for (size_t i = 0; i < w->host->n; i++)
		if (w->host->m[i]->dev == dev)
			return true;
	return false;
}

/* The directory @dir and @rest below it; @rest without leading slash. */
static char *path_join(const char *dir, const char *rest)
{
	if (!*rest)
		return strdup(dir);
	return xasprintf("%s/%s", streq(dir, "/") ? "" : dir, rest);
}

int source_host_path(const struct source_world *w, const struct mount *m, char **ret)
{
	/* The last mounted is the likeliest to be visible. */
	for (size_t i = w->host->n; i-- > 0;) {
		const struct mount *h = w->host->m[i];
		const char *rest = h->dev == m->dev ? path_below(m->root, h->root) : NULL;
		char *path;
		int err;

		if (!rest || h->deleted)
			continue;
		path = path_join(h->point, rest);
		if (!path)
			return -ENOMEM;
		err = w->reachable(path, h->id);
		if (err >= 0) {
			*ret = path;
			return err;
		}
		free(path);
	}
	return -ENOENT;
}

/*
 * One file system of the kernel's own can be mounted twice by mount(2), under two names; a bind has the
 * name of its source.
 */
static bool same_name(const struct mnt_source *s, const struct mount *m)
{
	return (s->kind != MNT_SOURCE_ENTRY__KIND__FS && s->kind != MNT_SOURCE_ENTRY__KIND__CGROUP) ||
	       streq(s->first->source, m->source);
}

/* A found source that covers @m; for the host's file systems the part it is bound from. */
static struct mnt_source *find_source(const struct source_list *l, const struct mount *m,
				      const char **ret_rel)
{
	for (size_t i = 0; i < l->n; i++) {
		struct mnt_source *s = l->s[i];
		const char *rel = s->dev == m->dev && !s->name ? path_below(m->root, s->root) : NULL;

		if (!rel)
			continue;
		/* A directory of the container's, not of the host's: it may have another name later. */
		if (s->kind == MNT_SOURCE_ENTRY__KIND__CGROUP && *rel && streq(s->root, "/"))
			continue;
		if (s->kind != MNT_SOURCE_ENTRY__KIND__FS && m->deleted)
			continue;
		if ((!s->is_dir && *rel) || !same_name(s, m))
			continue;
		*ret_rel = rel;
		return s;
	}
	return NULL;
}

static bool is_cgroup(const struct mount *m)
{
	return streq(m->fstype, "cgroup") || streq(m->fstype, "cgroup2");
}

/* A tty of the host bound into the container: "/5" of a devpts. */
static bool is_tty(const struct mount *m, uint32_t *ret)
{
	return streq(m->fstype, "devpts") && m->root[0] == '/' && parse_u32(m->root + 1, 10, ret) == 0;
}

static const char *refuse(const struct source_world *w, const struct mount *m)
{
	if (m->idmapped)
		return "it is an idmapped mount, which cannot be made again; unmount it";
	if (m->up && streq(m->point, "/"))
		return "it covers the root of its mount namespace; unmount it";
	if (m->root[0] != '/')
		return "it keeps a namespace alive (bind of a namespace file); unmount it";
	if (on_host(w, m->dev))
		return m->deleted ? "its source on the host has been deleted; unmount it" : NULL;
	if (fs_type_of(m->fstype)->cls == FS_REFUSE)
		return fs_type_of(m->fstype)->reason;
	return NULL;
}

/* What kind of source @m needs; the path on the host where there is one. */
static int describe(const struct source_world *w, const struct mount *m, struct mnt_source *s)
{
	bool host = on_host(w, m->dev);
	int err;

	s->dev = m->dev;
	s->is_dir = true;
	s->type = fs_type_of(m->fstype);
	s->kind = MNT_SOURCE_ENTRY__KIND__FS;
	if (host && is_cgroup(m))
		s->kind = MNT_SOURCE_ENTRY__KIND__CGROUP;
	else if (host && is_tty(m, &s->tty))
		s->kind = MNT_SOURCE_ENTRY__KIND__CONSOLE;
	else if (host)
		s->kind = MNT_SOURCE_ENTRY__KIND__EXTERNAL;
	s->root = strdup(s->kind == MNT_SOURCE_ENTRY__KIND__FS ? "/" : m->root);
	if (!s->root)
		return -ENOMEM;
	if (!host)
		return 0;
	err = source_host_path(w, m, &s->path);
	if (err >= 0)
		s->is_dir = err;
	return err < 0 ? err : 0;
}

static int add_source(struct source_list *l, struct mnt_source *s, const struct mount_list *of,
		      struct mount *m)
{
	if (!GROW(l->s, l->n))
		return -ENOMEM;
	s->first = m;
	s->ns = of->ns;
	s->id = l->n + 1;
	l->s[l->n++] = s;
	return 0;
}

static int set_from(struct mount *m, struct mnt_source *s, const char *rel)
{
	m->rel = strdup(rel);
	if (!m->rel)
		return -ENOMEM;
	m->from = s;
	return 0;
}

/*
 * The root of the container is never a file system of ours, except one in memory. @name: the user
 * said at the dump that this mount is external.
 */
static int new_source(const struct source_world *w, struct source_list *l, struct mount_list *of,
		      struct mount *m, const char *name)
{
	_cleanup_(source_freep) struct mnt_source *s = calloc(1, sizeof(*s));
	int err = s ? describe(w, m, s) : -ENOMEM;

	if (err == -ENOENT && (name || (l->n == 0 && !m->up)))
		err = 0; /* its path is given at the restore */
	if (err < 0)
		return err;
	if (l->n == 0 && !m->up && (s->kind != MNT_SOURCE_ENTRY__KIND__FS || s->type->cls != FS_FILL))
		s->kind = MNT_SOURCE_ENTRY__KIND__ROOTFS;
	if (name && s->kind != MNT_SOURCE_ENTRY__KIND__ROOTFS) {
		if (s->kind != MNT_SOURCE_ENTRY__KIND__CONSOLE)
			s->kind = MNT_SOURCE_ENTRY__KIND__EXTERNAL;
		free(s->root);
		s->name = strdup(name);
		s->root = strdup(m->root);
		if (!s->name || !s->root)
			return -ENOMEM;
	}
	if (s->kind == MNT_SOURCE_ENTRY__KIND__ROOTFS && s->root && !streq(s->root, m->root)) {
		free(s->root);
		s->root = strdup(m->root);
		if (!s->root)
			return -ENOMEM;
	}
	err = add_source(l, s, of, m);
	if (err < 0)
		return err;
	return set_from(m, TAKE_PTR(s), "");
}

struct item {
	struct mount_list *list;
	struct mount *m;
};

/* The container's root, then by how much of a file system is shown, then as they came. */
static int cmp_item(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	size_t nx = strlen(x->m->root), ny = strlen(y->m->root);

	if (nx != ny)
		return nx < ny ? -1 : 1;
	if (x->list != y->list)
		return x->list < y->list ? -1 : 1;
	return x->m->order < y->m->order ? -1 : 1;
}

static int find_one(const struct source_world *w, struct source_list *l, struct item *it, source_why *why,
		    void *why_data)
{
	struct mount *m = it->m;
	const char *name = w->external(w->data, m->point), *rel, *text;
	struct mnt_source *s;
	int err;

	s = find_source(l, m, &rel);
	/* LXC calls every console external, also one that lies on the container's own devpts. */
	if (name && s && s->kind == MNT_SOURCE_ENTRY__KIND__FS && streq(m->fstype, "devpts"))
		name = NULL;
	if (name)
		s = NULL;
	if (s && !m->idmapped && !(m->up && streq(m->point, "/"))) {
		/* The file system is made by the first namespace that shows it. */
		return set_from(m, s, s->kind == MNT_SOURCE_ENTRY__KIND__FS ? m->root + 1 : rel);
	}
	text = name || (l->n == 0 && !m->up && !m->idmapped) ? NULL : refuse(w, m);
	if (text)
		return why(why_data, it->list, m, text);
	err = new_source(w, l, it->list, m, name);
	if (err == -ENOENT)
		return why(why_data, it->list, m,
			   "its source is hidden on the host below another mount; pass --external "
			   "mnt[PATH]:NAME");
	if (err >= 0 && m->from->kind == MNT_SOURCE_ENTRY__KIND__FS) {
		free(m->rel);
		m->rel = strdup(m->root + 1);
		return m->rel ? 0 : -ENOMEM;
	}
	return err;
}

/* A file system belongs to the first namespace, in order, that shows it. */
static void set_owners(struct mount_list *lists, size_t n_lists, struct source_list *l)
{
	for (size_t i = n_lists; i-- > 0;)
		for (size_t j = lists[i].n; j-- > 0;)
			if (lists[i].m[j]->from)
				lists[i].m[j]->from->ns = lists[i].ns;
	(void)l;
}

int sources_find(const struct source_world *w, struct mount_list *lists, size_t n_lists,
		 struct source_list *ret, source_why *why, void *why_data)
{
	_cleanup_(source_list_done) struct source_list l = { 0 };
	_cleanup_free_ struct item *items = NULL;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < n_lists; i++)
		n += lists[i].n;
	items = calloc(n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < n_lists; i++)
		for (size_t j = 0; j < lists[i].n; j++)
			if (!lists[i].m[j]->skipped)
				items[n++] = (struct item){ &lists[i], lists[i].m[j] };
	if (n > 1)
		qsort(items + 1, n - 1, sizeof(*items), cmp_item);
	for (size_t i = 0; i < n && err >= 0; i++)
		err = find_one(w, &l, &items[i], why, why_data);
	if (err < 0)
		return err;
	set_owners(lists, n_lists, &l);
	*ret = l;
	l = (struct source_list){ 0 };
	return 0;
}
