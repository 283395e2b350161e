/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control groups. A mount of a hierarchy that the host has mounted too is a bind of the container's
 * directory in it; that directory may have another name at the restore, so it is recorded with the
 * place of the container's first task below it. A hierarchy only the container has mounted is made
 * again by its options.
 */
#include "mnt/cgroup.h"

#include <stdio.h>

#include "base/io.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "mnt/source.h"

/* For hierarchies of version 1 every option is a controller, "name=..." or a flag. */
static const char *const v1_options[] = {
	"cpu",	   "cpuacct",	    "cpuset",	      "memory",	      "devices",  "freezer",
	"blkio",   "pids",	    "name",	      "net_cls",      "net_prio", "perf_event",
	"hugetlb", "rdma",	    "misc",	      "none",	      "noprefix", "clone_children",
	"xattr",   "release_agent", "cpuset_v2_mode", "favordynmods", NULL
};
static const char *const v2_options[] = { "nsdelegate",
					  "memory_recursiveprot",
					  "memory_localevents",
					  "memory_hugetlb_accounting",
					  "favordynmods",
					  "pids_localevents",
					  NULL };

const struct fs_type fs_cgroup_types[] = {
	{ "cgroup", FS_MAKE, v1_options, NULL },
	{ "cgroup2", FS_MAKE, v2_options, NULL },
	{ NULL },
};

/* A word of a hierarchy's superblock options that is not a controller or its name. */
static bool is_flag(const char *w)
{
	static const char *const flags[] = { "noprefix",     "clone_children", "xattr", "cpuset_v2_mode",
					     "favordynmods", "seclabel",       "none" };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (streq(flags[i], w))
			return true;
	return startswith(w, "release_agent=") != NULL;
}

int cgroup_hierarchy(const struct mount *m, char **ret)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };
	_cleanup_free_ char *copy = strdup(m->options);
	char *rest = copy, *w;

	if (!copy)
		return -ENOMEM;
	if (streq(m->fstype, "cgroup2"))
		rest = NULL;
	while ((w = strsep(&rest, ",")))
		if (*w && !is_flag(w) && strbuf_printf(&s, "%s%s", s.len ? "," : "", w) < 0)
			return -ENOMEM;
	*ret = strbuf_take(&s);
	return *ret ? 0 : -ENOMEM;
}

int cgroup_path_of(const char *text, const char *hierarchy, char **ret)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;

	if (!copy)
		return -ENOMEM;
	while ((line = next_line(&rest))) {
		char *controllers = strchr(line, ':'), *path;

		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			return -EBADMSG;
		*controllers++ = 0;
		*path++ = 0;
		if (!streq(controllers, hierarchy))
			continue;
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int cgroup_translate(const MntSourceEntry *s, const char *now, char **ret)
{
	size_t n = strlen(now), below;

	if (s->cgroup_below) {
		below = strlen(s->cgroup_below);
		if (below <= n && streq(now + n - below, s->cgroup_below)) {
			*ret = strndup(now, n - below);
			return *ret ? 0 : -ENOMEM;
		}
	}
	*ret = strdup(s->cgroup);
	return *ret ? 0 : -ENOMEM;
}
