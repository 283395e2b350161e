/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore below LXC's own monitor: liblxc (opened here, so that ctcr runs without it) forks the
 * monitor, which executes the first `criu` on PATH. That is a link to ourselves in a directory of
 * ours; the request file beside it holds all that LXC's command line has no room for.
 *
 * LXC 5.0.2 needs some help: with lxc.tty.max > 0 its monitor crashes at the first client after a
 * restore, so that is set to 0; it refuses to restore with DIR/tty.info unless it has allocated a
 * console itself, so it gets another directory as DIR, which has that file only when it will. The
 * monitor keeps every descriptor it is born with: it is born with none but /dev/null.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <lxc/lxccontainer.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "image/image.h"
#include "lxc/container.h"
#include "lxc/lxc.h"
#include "lxc/monitor.h"
#include "lxc/nets.h"
#include "lxc/request.h"
#include "options.h"

#define RUN_DIR "/run/ctcr"
#define LIBLXC "liblxc.so.1"

/* Exit statuses of the child that calls liblxc. */
enum { RESTORED, NO_LIBRARY, NO_CONTAINER, REFUSED_ITEM, FAILED };

struct liblxc {
	struct lxc_container *(*new)(const char *name, const char *path);
	int (*log_init)(struct lxc_log *log);
};

/* The directory of one restore: removed when it is over. */
struct run_dir {
	char path[PATH_MAX];
	int fd;
};

static void run_dir_done(struct run_dir *d)
{
	static const char *const names[] = { "criu", "request", "img/tty.info", "img/restore.log",
					     "lxc.log" };

	if (d->fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(d->fd, names[i], 0);
	unlinkat(d->fd, "img", AT_REMOVEDIR);
	close(d->fd);
	rmdir(d->path);
}

static int run_dir_make(const char *name, struct run_dir *ret)
{
	_cleanup_free_ char *self = NULL;
	struct run_dir d = { .fd = -1 };
	int err;

	if (mkdir(RUN_DIR, 0700) && errno != EEXIST)
		return log_errno(-errno, RUN_DIR);
	snprintf(d.path, sizeof(d.path), RUN_DIR "/%s.XXXXXX", name);
	if (!mkdtemp(d.path))
		return log_errno(-errno, "%s", d.path);
	d.fd = open(d.path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	err = d.fd < 0 ? -errno : readlink_at(AT_FDCWD, "/proc/self/exe", &self);
	if (err >= 0 && (symlinkat(self, d.fd, "criu") || mkdirat(d.fd, "img", 0700)))
		err = -errno;
	if (err < 0) {
		run_dir_done(&d);
		return log_errno(err, "%s", d.path);
	}
	*ret = d;
	return 0;
}

/* The options as they are to reach the criu that LXC executes. */
static int write_request(const struct options *o, const struct run_dir *d)
{
	struct options copy = *o;
	char **words;
	size_t n;
	int ret;

	copy.lxcpath = copy.root = copy.pidfile = NULL;
	copy.detached = copy.print_options = copy.veth_pair = false;
	copy.tcp_established = !o->tcp_close;
	ret = options_words(&copy, VERB_RESTORE, &words, &n);
	if (ret < 0)
		return log_oom();
	ret = request_write(d->fd, "request", words);
	words_free(words);
	return ret < 0 ? log_errno(ret, "%s/request", d->path) : 0;
}

/* "tty[RDEV:DEV]" of the host's terminal that was the console, from the dump's options; NULL: none was. */
static char *console_key(const InventoryEntry *inv)
{
	for (size_t i = 0; i < inv->n_options; i++) {
		const char *key = startswith(inv->options[i], "--external=");

		if (key && startswith(key, "tty[") && strchr(key, ']') && strlen(key) < 64)
			return strndup(key, strcspn(key, "]") + 1);
	}
	return NULL;
}

/*
 * With lxc.pty.max of 0 or 1 LXC allocates the console on the host's devpts and passes its slave as
 * --inherit-fd fd[N]:KEY, if tty.info holds a KEY.
 */
static int offer_console(const struct options *o, const struct container *ct, const struct run_dir *d)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *key = NULL;
	InventoryEntry *inv;
	int ret;

	if (ct->conf.pty_max > 1 || (ct->conf.console && streq(ct->conf.console, "none")))
		return 0;
	ret = image_peek(o->images_dir, &inv);
	if (ret < 0)
		return ret;
	key = console_key(inv);
	inventory_entry__free_unpacked(inv, NULL);
	if (!key)
		return 0;
	fd = openat(d->fd, "img/tty.info", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : write_all(fd, key, strlen(key));
	return ret < 0 ? log_errno(ret, "%s/img/tty.info", d->path) : 0;
}

static bool set_net_item(struct lxc_container *c, const struct lxc_net *n, const char *key, const char *value)
{
	_cleanup_free_ char *item = xasprintf("lxc.net.%u.%s", n->index, key);

	return item && value && c->set_config_item(c, item, value);
}

/* --veth-pair IN=OUT@BR goes where LXC looks for it. */
static bool set_pair(struct lxc_container *c, const struct lxc_net *n, const char *value)
{
	const char *at = strchr(value, '@');
	_cleanup_free_ char *pair = strndup(value, at ? (size_t)(at - value) : strlen(value));

	return pair && (!*pair || set_net_item(c, n, "veth.pair", pair)) &&
	       (!at || set_net_item(c, n, "link", at + 1));
}

/*
 * LXC passes the networks on under names that it counts in another way than when it starts a container; and
 * refuses to restore vlan and ipvlan, of which it has nothing to do then.
 */
static bool set_links(struct lxc_container *c, const struct container *ct, const struct options *o)
{
	bool ok = true;

	for (size_t i = 0; ok && i < ct->conf.n_nets; i++) {
		const struct lxc_net *n = &ct->conf.nets[i];
		_cleanup_free_ char *name = NULL;
		const char *value;

		if (!n->type || streq(n->type, "none") || streq(n->type, "empty"))
			continue;
		ok = lxc_net_name(&ct->conf, i, &name) == 0 && set_net_item(c, n, "name", name);
		value = ok && streq(n->type, "veth") ? options_external(o, "veth", name) : NULL;
		if (value && !strchr(value, ',')) /* else it is no business of LXC's */
			ok = set_pair(c, n, value);
		if (ok && (streq(n->type, "vlan") || streq(n->type, "ipvlan")))
			ok = set_net_item(c, n, "type", "empty");
	}
	return ok;
}

/* No terminal, nothing open, no session to be interrupted with. */
static int leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return -errno;
	setsid();
	return close_range(3, ~0U, 0) ? -errno : 0;
}

static int set_environment(const struct run_dir *d)
{
	const char *old = getenv("PATH");
	_cleanup_free_ char *path = xasprintf("%s:%s", d->path, old ? old : "/usr/sbin:/usr/bin:/sbin:/bin");
	_cleanup_free_ char *request = xasprintf("%s/request", d->path);

	if (!path || !request)
		return -ENOMEM;
	return setenv("PATH", path, 1) || setenv(REQUEST_ENV, request, 1) ? -errno : 0;
}

static int load_liblxc(struct liblxc *ret)
{
	void *lib = dlopen(LIBLXC, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return -ENOENT;
	*(void **)&ret->new = dlsym(lib, "lxc_container_new");
	*(void **)&ret->log_init = dlsym(lib, "lxc_log_init");
	return ret->new && ret->log_init ? 0 : -ENOENT;
}

/* In the child: becomes the parent of the monitor, and leaves. */
static int call_liblxc(const struct options *o, const struct container *ct, const struct run_dir *d)
{
	_cleanup_free_ char *log = xasprintf("%s/lxc.log", d->path), *img = xasprintf("%s/img", d->path);
	struct lxc_log conf = { .name = ct->name,
				.lxcpath = ct->lxcpath,
				.file = log,
				.level = "WARN",
				.prefix = "ctcr",
				.quiet = true };
	struct lxc_container *c;
	struct liblxc lib;

	if (!log || !img || leave_terminal() < 0 || set_environment(d) < 0)
		return FAILED;
	if (load_liblxc(&lib) < 0)
		return NO_LIBRARY;
	if (!ct->conf.log_file)
		lib.log_init(&conf);
	c = lib.new(ct->name, ct->lxcpath);
	if (!c || !c->lxc_conf)
		return NO_CONTAINER;
	if (!c->set_config_item(c, "lxc.tty.max", "0") || !set_links(c, ct, o))
		return REFUSED_ITEM;
	return c->restore(c, img, o->verbose > 0) ? RESTORED : FAILED;
}

/* What the criu below LXC had to say: the error lines of its log. */
static bool show_errors(const char *path, const char *mark)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line, *at;
	bool any = false;

	if (!path || read_text_at(AT_FDCWD, path, &text) < 0)
		return false;
	for (next = text; (line = next_line(&next));) {
		at = strstr(line, mark);
		if (!at)
			continue;
		at = strstr(at, ": ") ? strstr(at, ": ") + 2 : at;
		log_error("%s", at);
		any = true;
	}
	return any;
}

static int explain(const struct options *o, const struct container *ct, const struct run_dir *d, int status)
{
	static const char *const why[] = {
		[NO_LIBRARY] = LIBLXC " cannot be opened; install LXC, or pass --no-lxc-monitor",
		[NO_CONTAINER] = "LXC does not accept its configuration",
		[REFUSED_ITEM] = "LXC does not accept its networks, or what --veth-pair says of them",
	};
	_cleanup_free_ char *log = xasprintf("%s/lxc.log", d->path);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;

	if (code < (int)ARRAY_SIZE(why) && why[code]) {
		log_error("container %s: %s", ct->name, why[code]);
		return -EINVAL;
	}
	if (!show_errors(o->log_file, "Error ("))
		show_errors(log, " ERROR ");
	log_error("container %s: not restored; %s has the details", ct->name,
		  o->log_file ? o->log_file : "its log");
	return -EIO;
}

/* The monitor answers only after its first round; give it a moment. */
static int wait_running(const struct container *ct, pid_t *ret_pid)
{
	enum lxc_state state = LXC_STOPPED;
	int err = 0;

	for (int i = 0; i < 500; i++) {
		err = lxc_monitor_state(ct->lxcpath, ct->name, &state);
		if (!err && (state == LXC_RUNNING || state == LXC_FROZEN))
			return lxc_monitor_init_pid(ct->lxcpath, ct->name, ret_pid);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return err < 0 ? err : -ETIMEDOUT;
}

static int write_pidfile(const char *path, pid_t pid)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%d", pid) < 0)
		return log_errno(-errno, "pidfile %s", path);
	return 0;
}

static int run_liblxc(const struct options *o, const struct container *ct, const struct run_dir *d)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		return log_errno(-errno, "fork");
	if (!pid)
		_exit(call_liblxc(o, ct, d));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return log_errno(-errno, "wait for LXC");
	return status ? explain(o, ct, d, status) : 0;
}

int lxc_restore(struct options *o)
{
	_cleanup_(container_done) struct container ct = { 0 };
	_cleanup_(run_dir_done) struct run_dir d = { .fd = -1 };
	pid_t pid;
	int ret = container_load(o, &ct);

	if (!ret)
		ret = container_check_stopped(&ct);
	if (!ret)
		container_remove_leftovers(ct.name);
	if (!ret)
		ret = nets_options(o, &ct, false) < 0 ? log_oom() : run_dir_make(ct.name, &d);
	if (!ret)
		ret = write_request(o, &d);
	if (!ret)
		ret = offer_console(o, &ct, &d);
	if (!ret)
		ret = run_liblxc(o, &ct, &d);
	if (ret < 0)
		return ret;
	ret = wait_running(&ct, &pid);
	if (ret < 0)
		return log_errno(ret, "container %s: restored, but its monitor does not say that it runs",
				 ct.name);
	log_info("container %s runs, its init is pid %d", ct.name, pid);
	return o->pidfile ? write_pidfile(o->pidfile, pid) : 0;
}
