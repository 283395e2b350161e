/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's configuration and its running monitor -> options.
 *
 * The init pid comes from the monitor and from nowhere else: a name in /proc could be anybody's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "lxc/config.h"
#include "lxc/container.h"
#include "lxc/lxc.h"
#include "lxc/monitor.h"
#include "lxc/nets.h"

#define GLOBAL_CONFIG "/etc/lxc/lxc.conf"
#define DEFAULT_PATH "/var/lib/lxc"
#define STOP_SECONDS 10 /* a monitor may take to clear up */

int lxc_default_path(char **ret)
{
	_cleanup_free_ char *text = NULL;
	const char *path = DEFAULT_PATH;
	char *next, *line, *copy;

	if (read_text_at(AT_FDCWD, GLOBAL_CONFIG, &text) < 0)
		text = NULL;
	for (next = text; (line = next_line(&next));) {
		char *value = strchr(line, '=');

		line += strspn(line, " \t");
		if (!startswith(line, "lxc.lxcpath") || !value)
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, " \t\r")] = '\0';
		if (*value)
			path = value;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

int container_load(const struct options *o, struct container *ret)
{
	struct container ct = { .name = o->ct };
	_cleanup_free_ char *path = NULL;
	struct lxc_config_error err;
	int res = 0;

	if (!*o->ct || strchr(o->ct, '/') || streq(o->ct, ".") || streq(o->ct, "..")) {
		log_error("container \"%s\": this is no name", o->ct);
		return -EINVAL;
	}
	if (o->lxcpath)
		ct.lxcpath = realpath(o->lxcpath, NULL);
	else
		res = lxc_default_path(&ct.lxcpath);
	if (res < 0 || !ct.lxcpath)
		return log_errno(res ? res : -errno, "lxcpath %s", o->lxcpath ? o->lxcpath : "");
	path = xasprintf("%s/%s/config", ct.lxcpath, o->ct);
	res = path ? lxc_config_read(path, &ct.conf, &err) : -ENOMEM;
	if (!res) {
		*ret = ct;
		return 0;
	}
	if (res == -ENOENT && path && streq(err.file, path))
		log_error("container %s: not found in %s; lxc-ls shows the names, -P another place", o->ct,
			  ct.lxcpath);
	else if (path)
		log_errno(res, "container %s: %s:%u: %s", o->ct, err.file, err.line, err.what);
	container_done(&ct);
	return res;
}

void container_done(struct container *ct)
{
	free(ct->lxcpath);
	lxc_config_done(&ct->conf);
}

/* The one line for each way in which a container cannot be dumped. */
static int init_pid(const struct container *ct, pid_t *ret)
{
	uid_t uid;
	int res = lxc_monitor_init_pid(ct->lxcpath, ct->name, ret);

	if (res == -ECONNREFUSED || res == -ESRCH)
		log_error("container %s: is not running; start it with lxc-start -n %s", ct->name, ct->name);
	else if (res == -EPERM && !lxc_monitor_uid(ct->lxcpath, ct->name, &uid))
		log_error("container %s: belongs to user %u, and LXC lets only that user manage it; "
			  "only containers started by root can be dumped",
			  ct->name, uid);
	else if (res < 0)
		log_errno(res, "container %s: its monitor does not answer", ct->name);
	return res;
}

int add_external(struct options *o, const char *type, const char *id, const char *value)
{
	_cleanup_free_ char *key = NULL;

	if (options_external(o, type, id))
		return 0;
	key = xasprintf("%s[%s]", type, id);
	if (!key || options_add_external(o, key, value) < 0)
		return -ENOMEM;
	o->externals[o->n_externals - 1].weak = true;
	return 0;
}

/* Bind mounts of the configuration: outside it is m->source, in the image it has its target's name. */
static int add_mounts(struct options *o, const struct container *ct)
{
	for (size_t i = 0; i < ct->conf.n_mounts; i++) {
		const struct lxc_mount_entry *m = &ct->conf.mounts[i];
		const char *name = m->target + strspn(m->target, "/");
		_cleanup_free_ char *inside = NULL;
		int ret;

		if (!lxc_mount_is_bind(m) || !*name)
			continue;
		inside = xasprintf("/%s", name);
		if (!inside)
			return -ENOMEM;
		ret = o->pid ? add_external(o, "mnt", inside, name) : add_external(o, "mnt", name, m->source);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* The console is a terminal of the host when its device is: then its master is the monitor's. */
static int add_console(struct options *o, const struct container *ct)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/root/dev/console", o->pid);
	_cleanup_free_ char *id = NULL;
	struct stat st, host;
	int ret;

	if (!path)
		return -ENOMEM;
	if ((ct->conf.console && streq(ct->conf.console, "none")) || stat(path, &st) ||
	    stat("/dev/pts", &host) || !S_ISCHR(st.st_mode) || st.st_dev != host.st_dev)
		return 0;
	id = xasprintf("%llx:%llx", (unsigned long long)st.st_rdev, (unsigned long long)st.st_dev);
	ret = id ? add_external(o, "tty", id, "") : -ENOMEM;
	return ret < 0 ? ret : add_external(o, "mnt", "/dev/console", "console");
}

static int add_cgroup_root(struct options *o, const char *controllers, const char *path)
{
	struct cgroup_root root = { 0 };

	if (!GROW(o->cgroup_roots, o->n_cgroup_roots))
		return -ENOMEM;
	root.ctrl = *controllers ? strdup(controllers) : NULL;
	root.path = strdup(path);
	if (!root.path || (*controllers && !root.ctrl)) {
		free(root.ctrl);
		free(root.path);
		return -ENOMEM;
	}
	o->cgroup_roots[o->n_cgroup_roots++] = root;
	return 0;
}

/*
 * The container's own part of @path (a line of /proc/PID/cgroup): what the monitor says, or up to
 * LXC's default name. The init may sit deeper (systemd's init.scope). NULL: it is in neither.
 */
static char *payload_root(const struct container *ct, const char *said, char *path)
{
	const char *name = said ? said + strspn(said, "/") : NULL;
	char *at;

	if (name && *name && (at = strstr(path, name)) && at > path && at[-1] == '/' &&
	    (!at[strlen(name)] || at[strlen(name)] == '/')) {
		at[strlen(name)] = '\0';
		return path;
	}
	for (at = path; (at = strstr(at, "/lxc.payload.")); at++) {
		size_t len = strcspn(at + 1, "/") + 1;

		if (strncmp(at + strlen("/lxc.payload."), ct->name, strlen(ct->name)) == 0) {
			at[len] = '\0';
			return path;
		}
	}
	return NULL;
}

static int set_freezer(struct options *o, const char *controllers, const char *path)
{
	bool v2 = !*controllers;
	char *dir;

	if (o->freeze_cgroup || (!v2 && !streq(controllers, "freezer")))
		return 0;
	if (v2 && !access("/sys/fs/cgroup/freezer", F_OK))
		return 0;
	dir = xasprintf("/sys/fs/cgroup%s%s", v2 ? "" : "/freezer", path);
	if (!dir)
		return -ENOMEM;
	o->freeze_cgroup = dir;
	return 0;
}

static int add_cgroups(struct options *o, const struct container *ct)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line;
	int ret = proc_read(o->pid, "cgroup", &text);

	if (ret < 0 || o->n_cgroup_roots)
		return ret;
	for (next = text; (line = next_line(&next));) {
		char *controllers = strchr(line, ':'),
		     *path = controllers ? strchr(controllers + 1, ':') : NULL;
		_cleanup_free_ char *said = NULL;

		if (!path)
			return -EPROTO;
		*path++ = '\0';
		controllers++;
		if (lxc_monitor_cgroup(ct->lxcpath, ct->name, *controllers ? controllers : "freezer", &said) <
		    0)
			said = NULL;
		path = payload_root(ct, said, path);
		if (!path)
			continue;
		ret = add_cgroup_root(o, controllers, path);
		if (!ret)
			ret = set_freezer(o, controllers, path);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int assemble_dump(struct options *o, const struct container *ct)
{
	int ret = init_pid(ct, &o->pid);

	if (ret < 0)
		return ret;
	ret = add_mounts(o, ct);
	if (!ret)
		ret = add_console(o, ct);
	if (!ret)
		ret = add_cgroups(o, ct);
	if (!ret)
		ret = nets_options(o, ct, false);
	if (ret < 0)
		return log_errno(ret, "container %s", ct->name);
	return 0;
}

/* Standalone: LXC does not prepare the root, so it must be a directory. */
static int add_root(struct options *o, const struct container *ct)
{
	const char *type = ct->conf.rootfs_type;

	if (o->root)
		return 0;
	if (!ct->conf.rootfs) {
		log_error("container %s: has no lxc.rootfs.path; name its root with --root DIR", ct->name);
		return -EINVAL;
	}
	if (!streq(type, "dir") && !streq(type, "btrfs") && !streq(type, "zfs")) {
		log_error("container %s: its root is of type %s, which only LXC mounts; restore without "
			  "--no-lxc-monitor, or mount it and name it with --root DIR",
			  ct->name, type);
		return -EOPNOTSUPP;
	}
	o->root = strdup(ct->conf.rootfs);
	return o->root ? 0 : log_oom();
}

static int assemble_restore(struct options *o, const struct container *ct)
{
	int ret = container_check_stopped(ct);

	if (!ret)
		container_remove_leftovers(ct->name);
	if (!ret)
		ret = add_root(o, ct);
	if (ret < 0)
		return ret;
	ret = add_mounts(o, ct);
	if (!ret)
		ret = nets_options(o, ct, true);
	return ret < 0 ? log_errno(ret, "container %s", ct->name) : 0;
}

static bool is_dead(pid_t pid)
{
	_cleanup_free_ char *stat = NULL;
	const char *state;

	if (proc_read(pid, "stat", &stat) < 0)
		return true;
	state = proc_stat_field(stat, 3);
	return !state || *state == 'Z' || *state == 'X';
}

/*
 * Wait for a monitor that only clears up after its dead init: -ECONNREFUSED when it is gone; 0 when
 * the container runs, another error when that cannot be said.
 */
static int wait_monitor(const struct container *ct)
{
	pid_t pid;
	int ret;

	for (int i = 0; i < STOP_SECONDS * 100; i++) {
		ret = lxc_monitor_init_pid(ct->lxcpath, ct->name, &pid);
		if (ret == -ECONNREFUSED || ret == -EPERM || (!ret && !is_dead(pid)))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return ret;
}

int container_check_stopped(const struct container *ct)
{
	int ret = wait_monitor(ct);

	if (ret == -ECONNREFUSED)
		return 0;
	log_error("container %s: is running%s; stop it first with lxc-stop -n %s", ct->name,
		  ret == -EPERM ? " for another user" : "", ct->name);
	return -EBUSY;
}

void lxc_wait_stopped(const struct options *o)
{
	_cleanup_(container_done) struct container ct = { 0 };

	if (container_load(o, &ct) < 0)
		return;
	if (wait_monitor(&ct) != -ECONNREFUSED)
		log_warn("container %s: dumped, but its monitor still runs", ct.name);
	nets_wait(&ct);
}

int lxc_assemble(struct options *o)
{
	_cleanup_(container_done) struct container ct = { 0 };
	int ret = container_load(o, &ct);

	if (ret < 0)
		return ret;
	o->tcp_established = !o->tcp_close;
	o->file_locks = true;
	o->link_remap = true;
	o->auto_externals = true;
	return streq(o->verb, "restore") ? assemble_restore(o, &ct) : assemble_dump(o, &ct);
}
