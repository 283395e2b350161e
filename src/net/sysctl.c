/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sysctls of a network namespace: everything below /proc/sys/net that root inside can write.
 *
 * All are dumped (some 300 and 150 a link, about 2 us each); restore reads each and writes only those
 * that differ, so neither the defaults of another kernel nor those of another host matter. Order:
 * conf/all and conf/default, which spread to links, then the rest. /proc/sys/net is the namespace of
 * the thread that looks: both directions run inside netns_call(). The files are those of *our* mount
 * of /proc: what the container has mounted does not matter.
 * Not here: addr_gen_mode of links, which rtnetlink sets without side effects (link.c).
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <dirent.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"

#define SYSCTL_ROOT "/proc/sys/net"
#define MAX_DEPTH 8

/* Aliases of others, or without a state of their own. */
static const char *const skipped[] = {
	"ipv4/ip_forward", /* conf/all/forwarding */
	"ipv4/neigh/*/base_reachable_time", /* ..._ms */
	"ipv6/neigh/*/base_reachable_time",
	"ipv4/neigh/*/retrans_time",
	"ipv6/neigh/*/retrans_time",
	"ipv4/neigh/*/unres_qlen", /* unres_qlen_bytes */
	"ipv6/neigh/*/unres_qlen",
	"ipv6/conf/*/addr_gen_mode", /* but for default: see keep() */
	"netfilter/nf_log/*",
};

bool sysctl_kept(const char *name)
{
	if (streq(name, "ipv6/conf/default/addr_gen_mode"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
		if (fnmatch(skipped[i], name, FNM_PATHNAME) == 0)
			return false;
	return true;
}

/* 0 first: all, default; 1: the rest; 2: what a link that goes up sets itself (a router advertised less). */
int sysctl_pass(const char *name)
{
	if (strstr(name, "/conf/all/") || strstr(name, "/conf/default/"))
		return 0;
	return fnmatch("ipv6/conf/*/mtu", name, FNM_PATHNAME) == 0 ? 2 : 1;
}

/* Below the root, no way out of it. */
bool sysctl_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 200 || name[0] == '/' || name[len - 1] == '/' || strstr(name, "//"))
		return false;
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' &&
		    (p[1] == '/' || p[1] == '\0' || (p[1] == '.' && (p[2] == '/' || p[2] == '\0'))))
			return false;
	}
	return true;
}

struct walk {
	NetEntry *msg;
	int root;
};

static int add_sysctl(NetEntry *m, const char *name, const void *value, size_t len)
{
	NetSysctlEntry *e = malloc(sizeof(*e));

	if (!e || !GROW(m->sysctls, m->n_sysctls)) {
		free(e);
		return -ENOMEM;
	}
	net_sysctl_entry__init(e);
	m->sysctls[m->n_sysctls++] = e;
	e->name = strdup(name);
	return e->name ? bytes_copy(&e->value, value, len) : -ENOMEM;
}

/* -EACCES for one that cannot be written; -EIO for one without a value (stable_secret until it is set). */
static ssize_t read_value(int root, const char *name, int mode, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(root, name, mode | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);

	return n < 0 ? -errno : n;
}

static int dump_file(struct walk *w, const char *name)
{
	char buf[4096];
	ssize_t n;

	if (!sysctl_kept(name))
		return 0;
	n = read_value(w->root, name, O_RDWR, buf, sizeof(buf));
	if (n < 0 || n == sizeof(buf))
		return n == -EIO || n == -ENOENT || n == -EACCES || n == -EPERM ? 0 : n < 0 ? n : -EFBIG;
	return add_sysctl(w->msg, name, buf, n);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int dump_dir(struct walk *w, const char *name, int depth)
{
	int fd = openat(w->root, name[0] ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(close_dir) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int ret = 0;

	if (!d)
		return -errno;
	while (ret == 0 && (e = readdir(d))) {
		char sub[256];

		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(sub, sizeof(sub), "%s%s%s", name, name[0] ? "/" : "", e->d_name) >=
		    sizeof(sub))
			return -ENAMETOOLONG;
		if (e->d_type == DT_DIR)
			ret = depth < MAX_DEPTH ? dump_dir(w, sub, depth + 1) : -ELOOP;
		else
			ret = dump_file(w, sub);
	}
	return ret;
}

static int dump_inside(void *arg)
{
	struct walk w = { .msg = arg };
	_cleanup_close_ int root = open(SYSCTL_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);

	w.root = root;
	return root < 0 ? -errno : dump_dir(&w, "", 0);
}

struct sysctl_reader {
	uint32_t ns_id;
	struct netns_visit *visit;
	NetEntry msg; /* only sysctls */
};

struct sysctl_reader *sysctls_begin(const struct ns *ns)
{
	struct sysctl_reader *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	net_entry__init(&s->msg);
	s->ns_id = ns->id;
	s->visit = netns_begin(ns->fd, dump_inside, &s->msg);
	return s;
}

void sysctls_free(struct sysctl_reader *s)
{
	if (!s)
		return;
	if (s->visit)
		netns_end(s->visit);
	for (size_t i = 0; i < s->msg.n_sysctls; i++)
		net_sysctl_entry__free_unpacked(s->msg.sysctls[i], NULL);
	free(s->msg.sysctls);
	free(s);
}

/* What was read beside other work, if any was; false: read now. */
static bool take_read(struct net_dump *n, struct sysctl_reader *s)
{
	if (!s || s->ns_id != n->msg->ns_id || netns_end(TAKE_PTR(s->visit)) < 0)
		return false;
	n->msg->sysctls = TAKE_PTR(s->msg.sysctls);
	n->msg->n_sysctls = s->msg.n_sysctls;
	s->msg.n_sysctls = 0;
	return true;
}

int sysctls_dump(struct net_dump *n)
{
	int ret;

	for (size_t i = 0; n->d->net && i < n->d->net->n; i++)
		if (take_read(n, n->d->net->sysctls[i]))
			return 0;
	ret = netns_call(n->ns->fd, dump_inside, n->msg);
	return ret < 0 ? log_errno(ret, "network namespace %u: sysctls", n->msg->ns_id) : 0;
}

int sysctls_plan(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_sysctls; i++) {
		const NetSysctlEntry *e = n->msg->sysctls[i];

		if (sysctl_name_ok(e->name) && e->value.len < 4096)
			continue;
		log_error("image: network namespace %u: sysctl %zu is damaged", n->msg->ns_id, i);
		return -EBADMSG;
	}
	return 0;
}

static int restore_file(int root, const NetSysctlEntry *e)
{
	_cleanup_close_ int fd = -1;
	char buf[4096];
	ssize_t n = read_value(root, e->name, O_RDONLY, buf, sizeof(buf));

	if (n == (ssize_t)e->value.len && memcmp(buf, e->value.data, n) == 0)
		return 0;
	if (n == -ENOENT) {
		log_warn("sysctl net/%s: this kernel has none; its value is lost", e->name);
		return 0;
	}
	fd = openat(root, e->name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS)) {
		log_warn("sysctl net/%s: cannot be written here (%s); it was %.*s", e->name, strerror(errno),
			 (int)MIN(e->value.len, 80), (const char *)e->value.data);
		return 0;
	}
	if (fd < 0)
		return log_errno(-errno, "sysctl net/%s", e->name);
	if (write(fd, e->value.data, e->value.len) != (ssize_t)e->value.len)
		return log_errno(-errno, "sysctl net/%s = %.*s", e->name, (int)MIN(e->value.len, 80),
				 (const char *)e->value.data);
	return 0;
}

static int restore_passes(const NetEntry *m, int from, int to)
{
	_cleanup_close_ int root = open(SYSCTL_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (root < 0)
		return log_errno(-errno, SYSCTL_ROOT);
	for (int pass = from; pass <= to; pass++)
		for (size_t i = 0; i < m->n_sysctls && ret == 0; i++)
			if (sysctl_pass(m->sysctls[i]->name) == pass)
				ret = restore_file(root, m->sysctls[i]);
	return ret;
}

static int restore_inside(void *arg)
{
	return restore_passes(arg, 0, 1);
}

static int restore_late_inside(void *arg)
{
	return restore_passes(arg, 2, 2);
}

int sysctls_restore(struct rnet *n)
{
	return netns_call(n->ns_fd, restore_inside, n->msg);
}

int sysctls_restore_late(struct rnet *n)
{
	return netns_call(n->ns_fd, restore_late_inside, n->msg);
}
