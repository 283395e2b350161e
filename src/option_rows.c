/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of ctcr, and struct options as a command line again. */
#include "options.h"

#include <stdarg.h>

#include "base/io.h"
#include "base/util.h"

#define D VERB_DUMP
#define R VERB_RESTORE
#define C VERB_CHECK
#define L VERB_LIST
#define T VERB_CONSOLE
#define OFF(m) offsetof(struct options, m)
#define FLAG(name, letter, verbs, m, help)                                        \
	{                                                                         \
		name, letter, ARG_NONE, NULL, NULL, verbs, set_flag, OFF(m), help \
	}
#define STRING(name, letter, value, verbs, m, help)                                      \
	{                                                                                \
		name, letter, ARG_REQUIRED, value, NULL, verbs, set_string, OFF(m), help \
	}
#define VALUE(name, letter, value, verbs, set, m, help)                           \
	{                                                                         \
		name, letter, ARG_REQUIRED, value, NULL, verbs, set, OFF(m), help \
	}
#define LIST(name, value, verbs, set, help)                             \
	{                                                               \
		name, 0, ARG_REQUIRED, value, NULL, verbs, set, 0, help \
	}

static const struct option_row rows[] = {
	STRING("ct", 'n', "NAME", D | R | C | L | T, ct, "the LXC container NAME"),
	STRING("lxcpath", 'P', "PATH", D | R | C, lxcpath, "where LXC keeps the container (as lxc-start -P)"),
	VALUE("tree", 't', "PID", D | C, set_pid, pid, "without --ct: the root process of what is dumped"),
	STRING("tty", 't', "TTY", T, tty, "attach to ttyTTY instead of the console"),
	STRING("images-dir", 'D', "DIR", D | R, images_dir,
	       "directory of the image; with --ct /var/lib/ctcr/NAME/TIME, restore takes the newest"),
	STRING("work-dir", 'W', "DIR", D | R | C, work_dir,
	       "where log, pidfile and statistics go when their names are relative (default: -D)"),
	STRING("log-file", 'o', "LOG", D | R | C, log_file, "log to LOG (default dump.log or restore.log)"),
	{ "verbose", 'v', ARG_OPTIONAL, "LEVEL", NULL, VERB_ALL, set_verbose, OFF(verbose),
	  "say more; again for still more (-vv), or -v2" },
	FLAG("leave-running", 'R', D, leave_running, "the tasks run on after the dump"),
	FLAG("leave-stopped", 's', D, leave_stopped, "the tasks stay, stopped, after the dump"),
	FLAG("shell-job", 'j', D | R | C, shell_job,
	     "the tasks use a terminal of a session outside of the tree"),
	FLAG("detached", 'd', R, detached,
	     "return when everything runs (default: wait for the root task's end)"),
	STRING("pidfile", 0, "F", R, pidfile, "write the root task's pid to the new file F"),
	STRING("root", 'r', "PATH", R, root, "directory that becomes the root of the restored tree"),
	{ "veth-pair", 0, ARG_OPTIONAL, "IN=[OUT][@BR][,WHERE]", "=", R, set_veth_pair, 0,
	  "the outer end of veth IN is named OUT, on bridge BR; WHERE: netns=N, container=N, pid=N or host; "
	  "no value: as LXC is configured" },
	LIST("external", "KEY[:VAL]", D | R | C, set_external,
	     "what is outside and only referred to: mnt[PATH]:NAME, unix[INO], veth[IN]:OUT ..."),
	LIST("ip", "LINK=ADDR/LEN[@GW]", R, set_address,
	     "give LINK this address instead of a dumped one; GW: its gateway"),
	LIST("action-script", "F", D | R, set_script,
	     "run F at each step (repeatable); see ctcr(1), ACTION SCRIPTS"),
	FLAG("no-lxc-monitor", 0, R, no_lxc_monitor, "with --ct: not as a child of LXC's monitor"),
	FLAG("print-options", 0, D | R | C, print_options,
	     "print all options, also those found for --ct, and end"),
	FLAG("tcp-established", 0, D | R | C, tcp_established,
	     "dump and restore established TCP connections"),
	FLAG("tcp-close", 0, D | R, tcp_close, "restore established TCP connections as closed"),
	FLAG("skip-in-flight", 0, D, skip_in_flight, "give up connections not yet accepted or being made"),
	FLAG("file-locks", 'l', D | R | C, file_locks, "dump and restore file locks"),
	FLAG("link-remap", 0, D | C, link_remap, "give files that lost their name a temporary link"),
	VALUE("network-lock", 0, "nftables|skip", D | R, set_netlock, netlock,
	      "how packets are held back meanwhile (default nftables)"),
	VALUE("lock-timeout", 0, "SEC", D, set_seconds, lock_timeout,
	      "how long connections in the host's own network wait for the restore (default 900)"),
	VALUE("ghost-limit", 0, "N", D | C, set_size, ghost_limit,
	      "largest unlinked file in the image (0: any)"),
	STRING("stats", 0, "FILE", D | R, stats_file, "write times and counts to FILE, as JSON"),
	VALUE("timeout", 0, "SEC", D, set_seconds, timeout, "longest wait for tasks to stop (default 10)"),
	LIST("skip-mnt", "P", D | R, set_skip_mount, "leave out the mount at P (repeatable)"),
	STRING("freeze-cgroup", 0, "DIR", D | C, freeze_cgroup, "freeze this cgroup to hold the tree"),
	LIST("cgroup-root", "[CTRL:]PATH", D | R, set_cgroup_root, "the cgroup everything is placed below"),
	{ "manage-cgroups", 0, ARG_OPTIONAL, "MODE", NULL, D | R, set_cgroup_mode, OFF(cgroups),
	  "full (default), soft, props, strict, none or ignore" },
	LIST("inherit-fd", "fd[N]:KEY", R, set_inherit, "our descriptor N is what the image knows as KEY"),
};

const struct option_set ctcr_options = { rows, ARRAY_SIZE(rows), false };

struct words {
	char **list;
	size_t n;
	int err;
};

_printf_(2, 3) static void word(struct words *w, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (w->err < 0)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (text && GROW(w->list, w->n)) {
		w->list[w->n++] = text;
		return;
	}
	free(text);
	w->err = -ENOMEM;
}

static void lists_words(const struct options *o, struct words *w)
{
	if (o->veth_pair)
		word(w, "--veth-pair");
	for (size_t i = 0; i < o->n_externals; i++)
		if (o->externals[i].pair)
			word(w, "--veth-pair=%.*s=%s",
			     (int)strlen(o->externals[i].key) - (int)strlen("veth[]"),
			     o->externals[i].key + strlen("veth["), o->externals[i].value);
		else
			word(w, o->externals[i].value[0] ? "--external=%s:%s" : "--external=%s",
			     o->externals[i].key, o->externals[i].value);
	for (size_t i = 0; i < o->n_addresses; i++)
		word(w, "--ip=%s=%s", o->addresses[i].key, o->addresses[i].value);
	for (size_t i = 0; i < o->n_scripts; i++)
		word(w, "--action-script=%s", o->scripts[i]);
	for (size_t i = 0; i < o->n_skip_mounts; i++)
		word(w, "--skip-mnt=%s", o->skip_mounts[i]);
	for (size_t i = 0; i < o->n_cgroup_roots; i++)
		word(w, "--cgroup-root=%s%s%s", o->cgroup_roots[i].ctrl ?: "",
		     o->cgroup_roots[i].ctrl ? ":" : "", o->cgroup_roots[i].path);
	for (size_t i = 0; i < o->n_inherit; i++)
		word(w, "--inherit-fd=fd[%d]:%s", o->inherit[i].fd, o->inherit[i].key);
}

static void row_words(const struct options *o, const struct option_row *row, struct words *w)
{
	const void *m = (const char *)o + row->offset;

	if (row->set == set_flag && *(const bool *)m)
		word(w, "--%s", row->name);
	else if (row->set == set_string && *(char *const *)m)
		word(w, "--%s=%s", row->name, *(char *const *)m);
	else if (row->set == set_size && *(const uint64_t *)m)
		word(w, "--%s=%llu", row->name, (unsigned long long)*(const uint64_t *)m);
	else if (row->set == set_seconds)
		word(w, "--%s=%u", row->name, *(const unsigned int *)m);
	else if (row->set == set_pid && *(const pid_t *)m)
		word(w, "--%s=%d", row->name, *(const pid_t *)m);
	else if (row->set == set_verbose && *(const int *)m)
		word(w, "--%s=%d", row->name, *(const int *)m);
	else if (row->set == set_netlock)
		word(w, "--%s=%s", row->name, netlock_names[o->netlock]);
	else if (row->set == set_cgroup_mode)
		word(w, "--%s=%s", row->name, cgroup_mode_names[o->cgroups]);
}

int options_words(const struct options *o, enum option_verb verb, char ***ret, size_t *ret_n)
{
	struct words w = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((rows[i].verbs & verb) && rows[i].offset != OFF(print_options))
			row_words(o, &rows[i], &w);
	lists_words(o, &w);
	if (w.err >= 0 && GROW(w.list, w.n)) {
		w.list[w.n] = NULL;
		*ret = w.list;
		*ret_n = w.n;
		return 0;
	}
	for (size_t i = 0; i < w.n; i++)
		free(w.list[i]);
	free(w.list);
	return -ENOMEM;
}

void words_free(char **words)
{
	for (char **p = words; p && *p; p++)
		free(*p);
	free(words);
}
