/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setters: text of a command line into struct options. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "options.h"

const char *const cgroup_mode_names[] = {
	[CGROUP_FULL] = "full",	    [CGROUP_SOFT] = "soft", [CGROUP_PROPS] = "props",
	[CGROUP_STRICT] = "strict", [CGROUP_NONE] = "none", [CGROUP_IGNORE] = "ignore",
};

const char *const netlock_names[] = { [NETLOCK_NFTABLES] = "nftables", [NETLOCK_SKIP] = "skip" };

static void *member(void *opts, const struct option_row *row)
{
	return (char *)opts + row->offset;
}

int set_flag(void *opts, const struct option_row *row, const char *value)
{
	*(bool *)member(opts, row) = true;
	return 0;
}

int set_string(void *opts, const struct option_row *row, const char *value)
{
	char **to = member(opts, row), *copy;

	if (!*value)
		return option_bad(row, value, "is empty");
	copy = strdup(value);
	if (!copy)
		return log_oom();
	free(*to);
	*to = copy;
	return 0;
}

int set_size(void *opts, const struct option_row *row, const char *value)
{
	if (parse_size(value, member(opts, row)) < 0)
		return option_bad(row, value, "not a size; a number with K, M, G or T after it, or nothing");
	return 0;
}

int set_seconds(void *opts, const struct option_row *row, const char *value)
{
	uint32_t v;

	if (parse_u32(value, 10, &v) < 0 || v > 86400)
		return option_bad(row, value, "not a number of seconds up to 86400");
	*(unsigned int *)member(opts, row) = v;
	return 0;
}

int set_verbose(void *opts, const struct option_row *row, const char *value)
{
	int *level = member(opts, row);
	uint32_t v;

	if (!value)
		*level += 1;
	else if (parse_u32(value, 10, &v) >= 0 && v <= 9)
		*level = (int)v;
	else
		return option_bad(row, value, "not a level");
	return 0;
}

int set_pid(void *opts, const struct option_row *row, const char *value)
{
	uint32_t v;

	if (parse_u32(value, 10, &v) < 0 || v == 0 || v > INT_MAX)
		return option_bad(row, value, "not a process id");
	*(pid_t *)member(opts, row) = (pid_t)v;
	return 0;
}

static int add_string(char ***list, size_t *n, const char *value)
{
	char *copy = strdup(value);

	if (!copy || !GROW(*list, *n)) {
		free(copy);
		return log_oom();
	}
	(*list)[(*n)++] = copy;
	return 0;
}

int set_script(void *opts, const struct option_row *row, const char *value)
{
	struct options *o = opts;

	if (!*value)
		return option_bad(row, value, "is empty");
	return add_string(&o->scripts, &o->n_scripts, value);
}

int set_skip_mount(void *opts, const struct option_row *row, const char *value)
{
	struct options *o = opts;

	if (value[0] != '/')
		return option_bad(row, value, "not the absolute path of a mount point");
	return add_string(&o->skip_mounts, &o->n_skip_mounts, value);
}

static int add_pair(struct external **list, size_t *n, const char *key, const char *value)
{
	struct external e = { .key = strdup(key), .value = strdup(value) };

	if (!e.key || !e.value || !GROW(*list, *n)) {
		free(e.key);
		free(e.value);
		return -ENOMEM;
	}
	(*list)[(*n)++] = e;
	return 0;
}

int options_add_external(struct options *o, const char *key, const char *value)
{
	return add_pair(&o->externals, &o->n_externals, key, value ?: "");
}

const struct external *options_find_external(const struct options *o, const char *type, const char *id)
{
	size_t n = strlen(type), m = id ? strlen(id) : 0;

	for (size_t i = o->n_externals; i-- > 0;) {
		const char *k = o->externals[i].key;

		if (strncmp(k, type, n) != 0)
			continue;
		if (!id && !k[n])
			return &o->externals[i];
		if (id && k[n] == '[' && strncmp(k + n + 1, id, m) == 0 && streq(k + n + 1 + m, "]"))
			return &o->externals[i];
	}
	return NULL;
}

const char *options_external(const struct options *o, const char *type, const char *id)
{
	const struct external *e = options_find_external(o, type, id);

	return e ? e->value : NULL;
}

void options_weaken(struct options *o, const char *type)
{
	for (size_t i = 0; i < o->n_externals; i++) {
		const char *rest = startswith(o->externals[i].key, type);

		if (rest && *rest == '[')
			o->externals[i].weak = true;
	}
}

/* Where the key of "type[id]:value" or "type:value" ends; the id may hold colons and brackets. */
static size_t key_length(const char *s)
{
	const char *open = strchr(s, '['), *colon = strchr(s, ':'), *end;

	if (!open || (colon && colon < open))
		return colon ? (size_t)(colon - s) : strlen(s);
	end = strstr(open, "]:");
	return end ? (size_t)(end - s) + 1 : strlen(s);
}

int set_external(void *opts, const struct option_row *row, const char *value)
{
	size_t n = key_length(value);
	_cleanup_free_ char *key = strndup(value, n);
	struct options *o = opts;

	if (n == 0)
		return option_bad(row, value, "not KEY or KEY:VALUE");
	if (!key || options_add_external(o, key, value[n] ? value + n + 1 : "") < 0)
		return log_oom();
	if (streq(key, "mnt[]"))
		o->auto_externals = true;
	if (streq(key, "unix"))
		o->external_unix = true;
	return 0;
}

static int add_keyed(struct options *o, const char *type, const char *id, size_t n, const char *value)
{
	_cleanup_free_ char *key = xasprintf("%s[%.*s]", type, (int)n, id);

	return !key || options_add_external(o, key, value) < 0 ? log_oom() : 0;
}

/* IN=[OUT][@BRIDGE][,WHERE] */
int set_veth_pair(void *opts, const struct option_row *row, const char *value)
{
	struct options *o = opts;
	struct link_end end;
	const char *eq;

	if (!value) {
		o->veth_pair = true;
		return 0;
	}
	eq = strchr(value, '=');
	if (!eq || eq == value || !eq[1] || (eq[1] == '@' && !strchr(eq, ',')))
		return option_bad(row, value, "not IN=OUT or IN=OUT@BRIDGE");
	if (strchr(eq, ',') && link_end_parse(eq + 1, &end) < 0)
		return option_bad(row, value,
				  "not IN=[OUT][@BRIDGE], and after a comma netns=NAME, container=NAME, "
				  "pid=N or host");
	if (add_keyed(o, "veth", value, eq - value, eq + 1) < 0)
		return -ENOMEM;
	o->externals[o->n_externals - 1].pair = true;
	return 0;
}

/* KEY:VALUE, or "auto". */
int set_mount_map(void *opts, const struct option_row *row, const char *value)
{
	const char *colon = strchr(value, ':');
	struct options *o = opts;

	if (streq(value, "auto")) {
		o->auto_externals = true;
		return add_keyed(o, "mnt", "", 0, "");
	}
	if (!colon || colon == value)
		return option_bad(row, value, "not KEY:VALUE");
	return add_keyed(o, "mnt", value, colon - value, colon + 1);
}

/* fd[N]:KEY */
int set_inherit(void *opts, const struct option_row *row, const char *value)
{
	const char *p = startswith(value, "fd[");
	struct options *o = opts;
	char *key, *end;
	long fd;

	errno = 0;
	fd = p ? strtol(p, &end, 10) : -1;
	if (!p || end == p || errno || fd < 0 || fd > INT_MAX || strncmp(end, "]:", 2) != 0 || !end[2])
		return option_bad(row, value, "not fd[NUMBER]:KEY");
	if (fcntl((int)fd, F_GETFD) < 0)
		return option_bad(row, value, "that descriptor is not open");
	key = strdup(end + 2);
	if (!key || !GROW(o->inherit, o->n_inherit)) {
		free(key);
		return log_oom();
	}
	o->inherit[o->n_inherit++] = (struct inherit_fd){ .fd = (int)fd, .key = key };
	return 0;
}

/* [CTRL:]PATH */
int set_cgroup_root(void *opts, const struct option_row *row, const char *value)
{
	const char *colon = strchr(value, ':');
	struct options *o = opts;
	struct cgroup_root r = { .ctrl = colon ? strndup(value, colon - value) : NULL,
				 .path = strdup(colon ? colon + 1 : value) };

	if (!r.path || (colon && !r.ctrl) || !GROW(o->cgroup_roots, o->n_cgroup_roots)) {
		free(r.ctrl);
		free(r.path);
		return log_oom();
	}
	o->cgroup_roots[o->n_cgroup_roots++] = r;
	return 0;
}

int set_cgroup_mode(void *opts, const struct option_row *row, const char *value)
{
	struct options *o = opts;

	if (!value) {
		o->cgroups = CGROUP_SOFT;
		return 0;
	}
	for (size_t i = 0; i < 6; i++) {
		if (streq(value, cgroup_mode_names[i])) {
			o->cgroups = i;
			return 0;
		}
	}
	return option_bad(row, value, "not full, soft, props, strict, none or ignore");
}

int set_netlock(void *opts, const struct option_row *row, const char *value)
{
	struct options *o = opts;

	if (streq(value, "nftables") || streq(value, "nft"))
		o->netlock = NETLOCK_NFTABLES;
	else if (streq(value, "skip") || streq(value, "none"))
		o->netlock = NETLOCK_SKIP;
	else
		return option_bad(row, value, "not nftables or skip");
	return 0;
}

/* Can it be the address of one host? Not of all or none of them, of a group, of the host to itself. */
static bool of_host(int family, const uint8_t *addr)
{
	struct in6_addr a6;

	if (family == AF_INET)
		return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
	memcpy(&a6, addr, sizeof(a6));
	return !IN6_IS_ADDR_UNSPECIFIED(&a6) && !IN6_IS_ADDR_LOOPBACK(&a6) && !IN6_IS_ADDR_MULTICAST(&a6) &&
	       !IN6_IS_ADDR_V4MAPPED(&a6);
}

/* The first or the last IPv4 address of a network: its name, and all in it. */
static bool of_network(const uint8_t *addr, uint32_t len)
{
	uint32_t v, mask = len < 31 ? UINT32_MAX >> len : 0;

	memcpy(&v, addr, sizeof(v));
	v = ntohl(v);
	return mask && ((v & mask) == 0 || (v & mask) == mask);
}

/* LINK=ADDRESS/LENGTH[@GATEWAY] */
int set_address(void *opts, const struct option_row *row, const char *value)
{
	const char *eq = strchr(value, '='), *at = eq ? strchr(eq, '@') : NULL;
	_cleanup_free_ char *link = NULL, *ip = NULL;
	struct options *o = opts;
	uint8_t addr[16], gateway[16];
	char *slash;
	uint32_t len;
	int family;

	if (!eq || eq == value)
		return option_bad(row, value, "not LINK=ADDRESS/LENGTH[@GATEWAY]");
	link = strndup(value, eq - value);
	ip = at ? strndup(eq + 1, at - eq - 1) : strdup(eq + 1);
	if (!link || !ip)
		return log_oom();
	slash = strrchr(ip, '/');
	if (!slash || parse_u32(slash + 1, 10, &len) < 0)
		return option_bad(row, value, "not LINK=ADDRESS/LENGTH[@GATEWAY]");
	*slash = '\0';
	family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, ip, addr) != 1 || len > (family == AF_INET ? 32 : 128))
		return option_bad(row, value, "not an IPv4 or IPv6 address and its prefix length");
	if (at && inet_pton(family, at + 1, gateway) != 1)
		return option_bad(row, value, "the gateway is no address of the same kind");
	if (!len || !of_host(family, addr) || (family == AF_INET && of_network(addr, len)))
		return option_bad(row, value, "not an address that a host can have in its network");
	if (at && (!of_host(family, gateway) || memcmp(addr, gateway, family == AF_INET ? 4 : 16) == 0))
		return option_bad(row, value, "the gateway is not an address of another host");
	return add_pair(&o->addresses, &o->n_addresses, link, eq + 1) < 0 ? log_oom() : 0;
}

static void free_pairs(struct external *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(e[i].key);
		free(e[i].value);
	}
	free(e);
}

static void free_strings(char **s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

void options_init(struct options *o)
{
	*o = (struct options){ .verb = "", .timeout = 10, .lock_timeout = 900 };
}

void options_done(struct options *o)
{
	char *const strings[] = { o->ct,       o->tty,	   o->lxcpath, o->images_dir, o->work_dir,
				  o->log_file, o->pidfile, o->root,    o->stats_file, o->freeze_cgroup };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(strings[i]);
	free_pairs(o->externals, o->n_externals);
	free_pairs(o->addresses, o->n_addresses);
	free_strings(o->scripts, o->n_scripts);
	free_strings(o->skip_mounts, o->n_skip_mounts);
	for (size_t i = 0; i < o->n_inherit; i++)
		free(o->inherit[i].key);
	free(o->inherit);
	for (size_t i = 0; i < o->n_cgroup_roots; i++) {
		free(o->cgroup_roots[i].ctrl);
		free(o->cgroup_roots[i].path);
	}
	free(o->cgroup_roots);
	words_free(o->words);
	*o = (struct options){ .verb = "" };
}
