/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The face for those that run a program called criu (LXC's monitor, lxc-checkpoint, scripts): CRIU's
 * command line, exit statuses, log and file names. Options that only tune CRIU's own ways are taken
 * and mean nothing here; an option whose feature is missing is refused by name.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "engine/engine.h"
#include "lxc/lxc.h"

#define CRIU_VERSION "4.2"

struct criu_options {
	struct options o; /* first: the setters of options.h fill it */
	bool help, version, ignored;
	char *feature;
	char *text; /* of options that mean nothing */
};

static int set_nothing(void *opts, const struct option_row *row, const char *value)
{
	return 0;
}

/*
 * LXC passes its configured profile on also where the kernel has no such security module: then there is
 * nothing to set. Where it has, tasks would run without their profile.
 */
static int set_lsm_profile(void *opts, const struct option_row *row, const char *value)
{
	if ((startswith(value, "apparmor:") && access("/sys/module/apparmor", F_OK) == 0) ||
	    (startswith(value, "selinux:") && access("/sys/fs/selinux/enforce", F_OK) == 0)) {
		log_error("--lsm-profile %s: security profiles cannot be restored yet", value);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int set_refused(void *opts, const struct option_row *row, const char *value)
{
	log_error("--%s: ctcr does not have this feature", row->name);
	return -EOPNOTSUPP;
}

/* iptables is CRIU's own default; ours does the same work. */
static int set_criu_netlock(void *opts, const struct option_row *row, const char *value)
{
	return streq(value, "iptables") ? 0 : set_netlock(opts, row, value);
}

/* -x, -x INODE[,INODE...] */
static int set_unix(void *opts, const struct option_row *row, const char *value)
{
	_cleanup_free_ char *copy = strdup(value ?: "");
	struct options *o = opts;
	char *save = NULL;

	o->external_unix = true;
	if (!copy)
		return log_oom();
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		_cleanup_free_ char *key = xasprintf("unix[%s]", w);

		if (!key || options_add_external(o, key, "") < 0)
			return log_oom();
	}
	return 0;
}

#define ANY VERB_ALL
#define OFF(m) offsetof(struct criu_options, m)
#define FLAG(name, letter, m, help)                                             \
	{                                                                       \
		name, letter, ARG_NONE, NULL, NULL, ANY, set_flag, OFF(m), help \
	}
#define VALUE(name, letter, value, set, m, help)                                \
	{                                                                       \
		name, letter, ARG_REQUIRED, value, NULL, ANY, set, OFF(m), help \
	}
#define LIST(name, letter, value, set, help)                               \
	{                                                                  \
		name, letter, ARG_REQUIRED, value, NULL, ANY, set, 0, help \
	}
#define TAKEN(name)                                                                                        \
	{                                                                                                  \
		name, 0, ARG_NONE, NULL, NULL, ANY, set_flag, OFF(ignored), "accepted, means nothing here" \
	}
#define TAKEN_VALUE(name, letter)                                                                          \
	{                                                                                                  \
		name, letter, ARG_REQUIRED, "X", NULL, ANY, set_nothing, 0, "accepted, means nothing here" \
	}
#define REFUSED(name)                                                         \
	{                                                                     \
		name, 0, ARG_NONE, NULL, NULL, ANY, set_refused, 0, "refused" \
	}
#define REFUSED_VALUE(name, letter)                                                   \
	{                                                                             \
		name, letter, ARG_REQUIRED, "X", NULL, ANY, set_refused, 0, "refused" \
	}

static const struct option_row rows[] = {
	VALUE("tree", 't', "PID", set_pid, o.pid, "dump the tree below PID"),
	FLAG("restore-detached", 'd', o.detached, "return when everything runs"),
	FLAG("restore-sibling", 'S', o.restore_sibling, "the root task becomes the caller's child (with -d)"),
	FLAG("leave-stopped", 's', o.leave_stopped, "leave the tasks stopped"),
	FLAG("leave-running", 'R', o.leave_running, "leave the tasks running"),
	FLAG("shell-job", 'j', o.shell_job, "the tasks use a terminal from outside"),
	VALUE("images-dir", 'D', "DIR", set_string, o.images_dir, "directory of the image (default .)"),
	VALUE("work-dir", 'W', "DIR", set_string, o.work_dir, "directory of logs, pidfile (default: -D)"),
	VALUE("log-file", 'o', "FILE", set_string, o.log_file, "log there (default: standard error)"),
	VALUE("pidfile", 0, "FILE", set_string, o.pidfile, "write the root task's pid to the new file"),
	VALUE("root", 'r', "PATH", set_string, o.root, "mount point that becomes the tree's root"),
	{ "verbosity", 'v', ARG_OPTIONAL, "N", NULL, ANY, set_verbose, OFF(o.verbose), "log level 0 to 4" },
	FLAG("help", 'h', help, "this text"),
	FLAG("version", 'V', version, "the version of CRIU this stands in for"),
	VALUE("feature", 0, "NAME", set_string, feature, "check: only this feature"),
	FLAG("tcp-established", 0, o.tcp_established, "established TCP connections"),
	FLAG("tcp-close", 0, o.tcp_close, "restore TCP connections closed"),
	FLAG("skip-in-flight", 0, o.skip_in_flight, "leave out connections not yet accepted"),
	FLAG("file-locks", 'l', o.file_locks, "file locks"),
	FLAG("link-remap", 0, o.link_remap, "temporary links for files that lost their name"),
	{ "ext-unix-sk", 'x', ARG_OPTIONAL, "INODE,...", NULL, ANY, set_unix, 0,
	  "unix sockets connected outside" },
	LIST("external", 0, "KEY[:VALUE]", set_external, "what is outside"),
	LIST("ext-mount-map", 'M', "KEY:VALUE", set_mount_map, "mounts from outside; auto: find them"),
	LIST("veth-pair", 0, "IN=OUT[@BRIDGE][,WHERE]", set_veth_pair, "outer end of a veth"),
	LIST("inherit-fd", 0, "fd[N]:KEY", set_inherit, "a descriptor to use"),
	LIST("action-script", 0, "FILE", set_script, "run at each step"),
	LIST("cgroup-root", 0, "[CTRL:]PATH", set_cgroup_root, "cgroup to restore below"),
	{ "manage-cgroups", 0, ARG_OPTIONAL, "MODE", NULL, ANY, set_cgroup_mode, 0,
	  "soft, full, strict, props ..." },
	VALUE("freeze-cgroup", 0, "DIR", set_string, o.freeze_cgroup, "freezer that holds the tree"),
	LIST("lsm-profile", 0, "TYPE:NAME", set_lsm_profile, "security profile of the tasks"),
	VALUE("ghost-limit", 0, "SIZE", set_size, o.ghost_limit, "largest unlinked file"),
	VALUE("timeout", 0, "SEC", set_seconds, o.timeout, "longest wait for the tasks to stop"),
	LIST("skip-mnt", 0, "PATH", set_skip_mount, "mount to leave out"),
	LIST("network-lock", 0, "METHOD", set_criu_netlock, "iptables, nftables or skip"),
	TAKEN("enable-external-sharing"),
	TAKEN("enable-external-masters"),
	TAKEN_VALUE("enable-fs", 0),
	TAKEN("force-irmap"),
	TAKEN_VALUE("irmap-scan-path", 0),
	TAKEN("evasive-devices"),
	TAKEN("auto-dedup"),
	TAKEN("log-pid"),
	TAKEN("display-stats"),
	TAKEN("weak-sysctls"),
	TAKEN("mntns-compat-mode"),
	TAKEN("ghost-fiemap"),
	TAKEN("deprecated"),
	TAKEN("extra"),
	TAKEN("experimental"),
	TAKEN("all"),
	TAKEN("no-default-config"),
	TAKEN("skip-file-rwx-check"),
	TAKEN("allow-uprobes"),
	TAKEN_VALUE("config", 0),
	TAKEN_VALUE("libdir", 'L'),
	TAKEN_VALUE("file-validation", 0),
	TAKEN_VALUE("pre-dump-mode", 0),
	{ "cpu-cap", 0, ARG_OPTIONAL, "LIST", NULL, ANY, set_nothing, 0, "accepted, means nothing here" },
	REFUSED("track-mem"),
	REFUSED_VALUE("prev-images-dir", 0),
	REFUSED("page-server"),
	REFUSED_VALUE("address", 0),
	REFUSED_VALUE("port", 0),
	REFUSED_VALUE("ps-socket", 0),
	REFUSED_VALUE("status-fd", 0),
	REFUSED("lazy-pages"),
	REFUSED("stream"),
	REFUSED("check-only"),
	REFUSED("exec-cmd"),
	REFUSED("unprivileged"),
	REFUSED("orphan-pts-master"),
	REFUSED("tls"),
	REFUSED("remote"),
	REFUSED_VALUE("join-ns", 'J'),
	REFUSED_VALUE("empty-ns", 0),
	REFUSED_VALUE("lsm-mount-context", 0),
	REFUSED_VALUE("cgroup-props", 0),
	REFUSED_VALUE("cgroup-props-file", 0),
	REFUSED_VALUE("cgroup-dump-controller", 0),
	REFUSED_VALUE("cgroup-yard", 0),
};

static const struct option_set criu_set = { rows, ARRAY_SIZE(rows), true };

static int criu_help(void)
{
	puts("usage: criu dump|restore|check [OPTION...]\n\nThis is ctcr " CTCR_VERSION
	     " (see ctcr help), called as criu.\n\noptions:");
	options_help(&criu_set, VERB_DUMP, stdout);
	return 0;
}

static int criu_check(const char *feature)
{
	if (!feature) {
		if (features_missing())
			return 1;
		puts("Looks good.");
		return 0;
	}
	for (size_t i = 0; i < n_features; i++) {
		if (!streq(features[i].name, feature) || !features[i].probe())
			continue;
		printf("%s is supported\n", feature);
		return 0;
	}
	return usage_error("%s: not supported", feature);
}

/* The first error of the log on standard error: little enough for a pipe nobody reads yet. */
static void repeat_error(const struct options *o)
{
	_cleanup_close_ int fd = o->log_file ? open(o->log_file, O_RDONLY | O_CLOEXEC) : -1;
	_cleanup_strbuf_ struct strbuf s = { 0 };
	const char *p;

	if (fd < 0 || read_fd(fd, &s) < 0 || !s.buf)
		return;
	p = strstr(s.buf, "Error (");
	if (p)
		fprintf(stderr, "%.*s\n", (int)MIN(strcspn(p, "\n"), (size_t)1000), p);
}

static int check_options(const struct options *o, enum option_verb verb)
{
	if (o->restore_sibling && !o->detached)
		return usage_error("--restore-sibling only makes sense with --restore-detached");
	if (o->n_inherit && verb != VERB_RESTORE)
		return usage_error("--inherit-fd is only for restore");
	if (verb == VERB_DUMP && !o->pid)
		return usage_error("pid not specified");
	for (size_t i = 0; verb == VERB_DUMP && i < o->n_externals; i++)
		if (startswith(o->externals[i].key, "net[") || startswith(o->externals[i].key, "pid["))
			return usage_error("--external %s: ctcr does not have this feature",
					   o->externals[i].key);
	return 0;
}

static int prepare(struct options *o)
{
	bool to_file = o->log_file && !streq(o->log_file, "-");

	if (!o->images_dir)
		o->images_dir = strdup(".");
	if (!o->images_dir)
		return log_oom();
	if (access(o->images_dir, R_OK | X_OK) < 0)
		return log_errno(errno, "%s: the images directory", o->images_dir);
	if (cmd_prepare(o, NULL) < 0)
		return -EINVAL;
	log_init(o->verb, MAX(LOG_WARN, MIN(o->verbose - 1, (int)LOG_DEBUG)));
	log_quiet(to_file);
	if (log_fd() >= 0)
		dprintf(log_fd(), "(%d.%06d) Version: " CRIU_VERSION " (gitid 0), ctcr " CTCR_VERSION "\n", 0,
			0);
	return 0;
}

/* What `ctcr restore --ct` had to say and LXC could not pass on; the container's name for its keeper. */
static int take_request(struct options *o)
{
	struct option_rest none = { .n = 0 };
	const char *name = getenv("LXC_NAME");
	char **words;
	int err = lxc_request_words(&words);

	options_weaken(o, "veth"); /* LXC's, from its configuration */
	options_weaken(o, "macvlan");
	if (name && !o->ct && check_name(name) >= 0)
		o->ct = strdup(name);
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return err;
	o->criu_stats = false;
	err = options_parse(&ctcr_options, o, VERB_RESTORE, words, &none);
	free(words);
	return err;
}

static int run(struct criu_options *c, enum option_verb verb)
{
	struct options *o = &c->o;
	int err;

	if (verb == VERB_CHECK)
		return criu_check(c->feature);
	if (check_options(o, verb) || (verb == VERB_RESTORE && take_request(o) < 0) || prepare(o) < 0)
		return 1;
	err = verb == VERB_DUMP ? engine_dump(o) : engine_restore(o);
	if (err >= 0)
		return 0;
	repeat_error(o);
	return verb == VERB_DUMP && err == -ECANCELED ? 255 : 1;
}

static int find_command(const struct option_rest *rest, enum option_verb *ret)
{
	static const char *const lacking[] = { "pre-dump", "lazy-pages", "page-server", "service", "swrk",
					       "dedup",	   "cpuinfo",	 "exec",	"show" };
	const char *name = rest->n ? rest->args[0] : "";

	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++)
		if (streq(name, lacking[i]))
			return usage_error("%s: ctcr does not have this feature", name);
	if (!rest->n)
		return usage_error("command is required: dump, restore or check");
	if (streq(name, "dump"))
		*ret = VERB_DUMP;
	else if (streq(name, "restore"))
		*ret = VERB_RESTORE;
	else if (streq(name, "check"))
		*ret = VERB_CHECK;
	else
		return usage_error("%s: unknown command", name);
	return rest->n > 1 ? usage_error("%s: excessive parameter", rest->args[1]) : 0;
}

/* Files first, the command line over them. */
static int parse_all(struct criu_options *c, char **argv, struct option_rest *rest)
{
	struct option_rest none = { .n = 0 };
	char **words;
	int err = criu_config(argv, &words);

	if (err < 0)
		return err;
	err = options_parse(&criu_set, c, VERB_DUMP, words, &none);
	words_free(words);
	return err < 0 ? err : options_parse(&criu_set, c, VERB_DUMP, argv, rest);
}

static int criu_run(struct criu_options *c, char **argv)
{
	struct option_rest rest = { .n = 0 };
	enum option_verb verb = VERB_CHECK;

	if (parse_all(c, argv, &rest) < 0)
		return 1;
	if (c->version) {
		puts("Version: " CRIU_VERSION);
		return 0;
	}
	if (c->help)
		return criu_help();
	if (find_command(&rest, &verb))
		return 1;
	c->o.verb = verb == VERB_DUMP ? "dump" : verb == VERB_RESTORE ? "restore" : "check";
	return run(c, verb);
}

int criu_main(int argc, char **argv)
{
	struct criu_options c = { .feature = NULL };
	int ret;

	log_face_criu(true);
	options_init(&c.o);
	c.o.criu = c.o.criu_stats = true;
	c.o.cgroups = CGROUP_SOFT;
	c.o.containers = &lxc_containers;
	ret = criu_run(&c, argv + (argc > 0));
	free(c.feature);
	free(c.text);
	options_done(&c.o);
	return ret;
}
