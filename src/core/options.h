/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything a run was asked to do, filled once (src/options.c, lxc/) and const from then on.
 * Strings live as long as the struct.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

enum netlock_method { NETLOCK_NFTABLES, NETLOCK_SKIP };
enum cgroup_mode { CGROUP_FULL, CGROUP_SOFT, CGROUP_PROPS, CGROUP_STRICT, CGROUP_NONE, CGROUP_IGNORE };

/* --external KEY[:VALUE]: key is "type[id]"; value may be "". */
struct external {
	char *key, *value;
	bool weak; /* not of the user's saying: from a container's configuration */
	bool pair; /* by --veth-pair: a link of the image must be meant */
};

/*
 * Where the other end of a veth, or the link below one, is to be: "[NAME][@BRIDGE][,WHERE]"; WHERE is
 * netns=NAME (below /run/netns), netns=/PATH, container=NAME, pid=N or host. NAME may be left out before
 * WHERE: as it was.
 */
enum end_where { END_UNSAID, END_HOST, END_NETNS, END_CONTAINER, END_PID };
struct link_end {
	char name[16], bridge[16]; /* "": not given */
	enum end_where where;
	const char *place; /* of netns and container; points into the text */
	pid_t pid;
};

struct options;
/* Containers by name, by whoever knows their manager (lxc/). Nothing logs; -ESRCH: it does not run. */
struct container_lookup {
	int (*init_pid)(const struct options *o, const char *name, pid_t *ret);
	/* The name of a running one whose init is in the network namespace @ino; malloc()ed. -ESRCH. */
	int (*by_netns)(const struct options *o, uint64_t ino, char **ret);
};

/* --inherit-fd fd[N]:KEY */
struct inherit_fd {
	int fd;
	char *key;
};

/* --cgroup-root [CTRL:]PATH; ctrl is NULL for all. */
struct cgroup_root {
	char *ctrl, *path;
};

struct options {
	const char *verb;
	bool criu; /* we were called as criu */
	bool criu_stats; /* and not by our own ctcr: leave CRIU's statistics file in work_dir */
	int verbose;
	char *ct; /* --ct NAME */
	char *tty; /* console -t: "1" ... or "console" */
	char *lxcpath; /* -P */
	pid_t pid; /* -t */
	char *images_dir; /* -D */
	char *work_dir; /* -W; once a verb runs: never NULL, the images directory by default */
	char *log_file; /* -o; once a verb runs these three are absolute, relative to work_dir before */
	char *pidfile;
	char *root; /* --root: directory that becomes the container's / */
	char *stats_file; /* --stats FILE */
	char *freeze_cgroup;
	bool leave_running, leave_stopped, shell_job;
	bool detached, restore_sibling, no_lxc_monitor, print_options;
	bool tcp_established, tcp_close, skip_in_flight, file_locks, link_remap;
	bool veth_pair; /* --veth-pair without a value: names from the container's configuration */
	bool auto_externals; /* --ext-mount-map auto: host mounts are recognised by themselves */
	bool external_unix;
	enum netlock_method netlock;
	enum cgroup_mode cgroups;
	uint64_t ghost_limit; /* bytes of an unlinked file; 0: no limit */
	unsigned int timeout; /* seconds */
	unsigned int lock_timeout; /* seconds */
	struct external *externals;
	size_t n_externals;
	struct inherit_fd *inherit;
	size_t n_inherit;
	struct cgroup_root *cgroup_roots;
	size_t n_cgroup_roots;
	char **scripts; /* --action-script, in the order given */
	size_t n_scripts;
	char **skip_mounts;
	size_t n_skip_mounts;
	struct external *addresses; /* --ip LINK=ADDRESS/LEN */
	size_t n_addresses;
	const struct container_lookup *containers; /* NULL: nobody knows any */
	char **words; /* all of the above as words of a command line, for the inventory */
	size_t n_words;
};

/*
 * The value of the last --external "@type[@id]" (also of --veth-pair and --ext-mount-map, which
 * are spellings of it), NULL if there is none.
 */
const char *options_external(const struct options *o, const char *type, const char *id);
/* The same with all that is known of it. */
const struct external *options_find_external(const struct options *o, const char *type, const char *id);
/* What has been given so far counts less than what an image says of ends outside of the host. */
void options_weaken(struct options *o, const char *type);
/* -EINVAL. */
int link_end_parse(const char *text, struct link_end *ret);
/* NULL @id: the key is @type alone. A later one of the same key counts. -ENOMEM is not logged. */
int options_add_external(struct options *o, const char *key, const char *value);
void options_done(struct options *o);
