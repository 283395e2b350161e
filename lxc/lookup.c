/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other containers than the one of the run, for ends of links that are in their network namespaces. Which
 * run is seen from their monitors' sockets (/proc/net/unix); only what a monitor of ours says is believed.
 */
#include <fcntl.h>

#include "base/io.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "lxc/lxc.h"
#include "lxc/monitor.h"

static char *run_path(const struct options *o)
{
	char *path = NULL;

	if (o->lxcpath)
		return realpath(o->lxcpath, NULL);
	return lxc_default_path(&path) < 0 ? NULL : path;
}

static int lookup_init_pid(const struct options *o, const char *name, pid_t *ret)
{
	_cleanup_free_ char *path = strchr(name, '/') ? strdup(name) : run_path(o);
	char *slash = strrchr(name, '/') ? strrchr(path ?: "", '/') : NULL;
	int err;

	if (!path)
		return -ENOMEM;
	if (slash)
		*slash = '\0';
	err = lxc_monitor_init_pid(path, slash ? slash + 1 : name, ret);
	return err == -ECONNREFUSED ? -ESRCH : err;
}

/* "LXCPATH/NAME" of a line of /proc/net/unix that is a monitor's socket; NULL. */
static char *monitor_of(char *line)
{
	static const char tail[] = "/command";
	char *at = strstr(line, " @/");
	size_t len = at ? strlen(at) : 0;

	if (len < 3 + sizeof(tail) || !streq(at + len - (sizeof(tail) - 1), tail))
		return NULL;
	at[len - (sizeof(tail) - 1)] = '\0';
	return at + 2;
}

static int lookup_by_netns(const struct options *o, uint64_t ino, char **ret)
{
	_cleanup_free_ char *text = NULL, *own = run_path(o);
	char *next, *line;
	int err = read_text_at(AT_FDCWD, "/proc/net/unix", &text);

	if (err < 0 || !own)
		return err < 0 ? err : -ENOMEM;
	for (next = text; (line = next_line(&next));) {
		char *full = monitor_of(line), *name = full ? strrchr(full, '/') : NULL;
		uint64_t net;
		pid_t pid;

		if (!name || name == full || lookup_init_pid(o, full, &pid) < 0 ||
		    proc_ns_ino(pid, "net", &net) < 0 || net != ino)
			continue;
		*name = '\0';
		if (!streq(full, own))
			*name = '/';
		*ret = strdup(*name ? full : name + 1);
		return *ret ? 0 : -ENOMEM;
	}
	return -ESRCH;
}

const struct container_lookup lxc_containers = { .init_pid = lookup_init_pid, .by_netns = lookup_by_netns };
