/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader does as LXC's confile.c: one item a line, no continuation; blanks around key and
 * value do not count, one pair of quotes around the value neither; a line that does not begin with
 * "lxc." is a comment; an empty value clears what was set before.
 */
#include "lxc/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/parse.h"

#define MAX_DEPTH 16 /* of lxc.include */
#define MAX_ITEMS 65536 /* networks or mounts */

struct reader {
	struct lxc_config *conf;
	struct lxc_config_error *err;
	unsigned int depth;
};

struct key {
	const char *name;
	int (*set)(struct lxc_config *c, const struct key *k, const char *value);
	size_t offset;
};

static int read_path(struct reader *r, const char *path);

static int replace(char **where, const char *value)
{
	char *copy = NULL;

	if (value && *value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*where);
	*where = copy;
	return 0;
}

static int set_string(struct lxc_config *c, const struct key *k, const char *value)
{
	return replace((char **)((char *)c + k->offset), value);
}

static int set_u32(struct lxc_config *c, const struct key *k, const char *value)
{
	uint32_t n = 0;
	int ret = *value ? parse_u32(value, 10, &n) : 0;

	if (!ret)
		*(uint32_t *)((char *)c + k->offset) = n;
	return ret;
}

/* "type:path"; a path alone, or one that begins with a slash, is a directory. */
static int set_rootfs(struct lxc_config *c, const struct key *k, const char *value)
{
	const char *colon = *value == '/' ? NULL : strchr(value, ':');
	_cleanup_free_ char *type = colon ? strndup(value, colon - value) : strdup("dir");
	int ret;

	if (!type)
		return -ENOMEM;
	ret = replace(&c->rootfs, colon ? colon + 1 : value);
	return ret ? ret : replace(&c->rootfs_type, type);
}

static int set_idmap(struct lxc_config *c, const struct key *k, const char *value)
{
	c->n_idmaps = *value ? c->n_idmaps + 1 : 0;
	return 0;
}

static void mount_done(struct lxc_mount_entry *m)
{
	free(m->source);
	free(m->target);
	free(m->fstype);
	free(m->options);
}

static void clear_mounts(struct lxc_config *c)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		mount_done(&c->mounts[i]);
	free(c->mounts);
	c->mounts = NULL;
	c->n_mounts = 0;
}

/* One line of fstab(5); \040 and its like stand for blanks. A line of fewer than two words is wrong. */
static int add_mount(struct lxc_config *c, const char *value)
{
	static const char *const defaults[] = { NULL, NULL, "none", "defaults" };
	_cleanup_free_ char *copy = strdup(value);
	struct lxc_mount_entry m = { 0 };
	char **fields[] = { &m.source, &m.target, &m.fstype, &m.options };
	char *save = NULL, *word = copy ? strtok_r(copy, " \t", &save) : NULL;

	if (!copy)
		return -ENOMEM;
	if (c->n_mounts >= MAX_ITEMS)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *from = word ? word : defaults[i];

		*fields[i] = from ? strdup(from) : NULL;
		if (!*fields[i]) {
			mount_done(&m);
			return from ? -ENOMEM : -EINVAL;
		}
		unescape_octal(*fields[i]);
		word = word ? strtok_r(NULL, " \t", &save) : NULL;
	}
	if (!GROW(c->mounts, c->n_mounts)) {
		mount_done(&m);
		return -ENOMEM;
	}
	c->mounts[c->n_mounts++] = m;
	return 0;
}

static int set_mount(struct lxc_config *c, const struct key *k, const char *value)
{
	if (*value)
		return add_mount(c, value);
	clear_mounts(c);
	return 0;
}

static void net_done(struct lxc_net *n)
{
	free(n->type);
	free(n->link);
	free(n->name);
	free(n->pair);
	free(n->hwaddr);
}

static void clear_nets(struct lxc_config *c)
{
	for (size_t i = 0; i < c->n_nets; i++)
		net_done(&c->nets[i]);
	free(c->nets);
	c->nets = NULL;
	c->n_nets = 0;
}

/* The network with @index, made when it is new, kept in order of the index. */
static struct lxc_net *net_get(struct lxc_config *c, uint32_t index)
{
	size_t at = 0;

	while (at < c->n_nets && c->nets[at].index < index)
		at++;
	if (at < c->n_nets && c->nets[at].index == index)
		return &c->nets[at];
	if (c->n_nets >= MAX_ITEMS || !GROW(c->nets, c->n_nets))
		return NULL;
	memmove(&c->nets[at + 1], &c->nets[at], (c->n_nets - at) * sizeof(*c->nets));
	c->nets[at] = (struct lxc_net){ .index = index };
	c->n_nets++;
	return &c->nets[at];
}

static int net_set(struct lxc_net *n, const char *key, const char *value)
{
	bool ifname = streq(key, "link") || streq(key, "name") || streq(key, "veth.pair");

	if (ifname && strlen(value) >= IFNAMSIZ)
		return -EINVAL;
	if (streq(key, "type"))
		return replace(&n->type, value);
	if (streq(key, "link"))
		return replace(&n->link, value);
	if (streq(key, "name"))
		return replace(&n->name, value);
	if (streq(key, "veth.pair"))
		return replace(&n->pair, value);
	if (streq(key, "hwaddr"))
		return replace(&n->hwaddr, value);
	return 0;
}

/* The rest of "lxc.net." or "lxc.network.": "N.KEY", or in the old way KEY of the last network. */
static int set_net(struct lxc_config *c, const char *rest, bool legacy, const char *value)
{
	size_t digits = strspn(rest, "0123456789");
	uint32_t index = c->n_nets ? c->nets[c->n_nets - 1].index : 0;
	char number[16];
	struct lxc_net *n;

	if (digits) {
		if (digits >= sizeof(number) || (rest[digits] && rest[digits] != '.'))
			return -EINVAL;
		memcpy(number, rest, digits);
		number[digits] = '\0';
		if (parse_u32(number, 10, &index))
			return -EINVAL;
		rest += digits + (rest[digits] == '.');
	} else if (!legacy) {
		return -EINVAL;
	} else if (streq(rest, "type")) {
		if (!*value) {
			clear_nets(c);
			return 0;
		}
		if (c->n_nets && index == UINT32_MAX)
			return -EINVAL;
		index = c->n_nets ? index + 1 : 0;
	} else if (!c->n_nets) {
		return -EINVAL;
	}
	n = net_get(c, index);
	return n ? net_set(n, rest, value) : -ENOMEM;
}

#define STRING(key, member)                                          \
	{                                                            \
		key, set_string, offsetof(struct lxc_config, member) \
	}
#define NUMBER(key, member)                                       \
	{                                                         \
		key, set_u32, offsetof(struct lxc_config, member) \
	}

static const struct key keys[] = {
	{ "lxc.rootfs.path", set_rootfs, 0 },
	{ "lxc.rootfs", set_rootfs, 0 },
	STRING("lxc.uts.name", uts),
	STRING("lxc.utsname", uts),
	STRING("lxc.mount.fstab", fstab),
	STRING("lxc.mount", fstab),
	{ "lxc.mount.entry", set_mount, 0 },
	STRING("lxc.console.path", console),
	STRING("lxc.console", console),
	NUMBER("lxc.tty.max", tty_max),
	NUMBER("lxc.tty", tty_max),
	NUMBER("lxc.pty.max", pty_max),
	NUMBER("lxc.pts", pty_max),
	{ "lxc.idmap", set_idmap, 0 },
	{ "lxc.id_map", set_idmap, 0 },
	STRING("lxc.apparmor.profile", apparmor),
	STRING("lxc.aa_profile", apparmor),
	STRING("lxc.selinux.context", selinux),
	STRING("lxc.se_context", selinux),
	STRING("lxc.log.file", log_file),
	STRING("lxc.logfile", log_file),
	STRING("lxc.cgroup.dir", cgroup_dir),
	STRING("lxc.cgroup.dir.container", cgroup_dir),
};

/* Split "key = value" in place; false for a comment or an empty line; *@ret_value NULL without "=". */
static bool split_line(char *line, char **ret_key, char **ret_value)
{
	char *key = line + strspn(line, " \t"), *value, *end;
	size_t len;

	if (!startswith(key, "lxc."))
		return false;
	*ret_key = key;
	*ret_value = NULL;
	value = strchr(key, '=');
	if (!value)
		return true;
	for (end = value; end > key && strchr(" \t", end[-1]); end--)
		;
	*end = '\0';
	value++;
	value += strspn(value, " \t");
	len = strlen(value);
	while (len && strchr(" \t\r\n", value[len - 1]))
		value[--len] = '\0';
	if (len > 1 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
		value[len - 1] = '\0';
		value++;
	}
	*ret_value = value;
	return true;
}

static int set_item(struct lxc_config *c, const char *key, const char *value)
{
	const char *rest;

	if (streq(key, "lxc.net") || streq(key, "lxc.network")) {
		if (*value)
			return -EINVAL;
		clear_nets(c);
		return 0;
	}
	rest = startswith(key, "lxc.net.");
	if (rest)
		return set_net(c, rest, false, value);
	rest = startswith(key, "lxc.network.");
	if (rest)
		return set_net(c, rest, true, value);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(key, keys[i].name))
			return keys[i].set(c, &keys[i], value);
	return 0;
}

int lxc_config_line(struct lxc_config *c, char *line, const char **what)
{
	char *key, *value;
	int ret;

	if (!split_line(line, &key, &value))
		return 0;
	*what = "an item without \"=\"";
	if (!value)
		return -EINVAL;
	*what = "this value makes no sense";
	ret = set_item(c, key, value);
	if (ret == -ENOMEM)
		*what = "out of memory";
	return ret;
}

/* lxc.include: a file, or all of the directory's *.conf. */
static int include(struct reader *r, const char *value)
{
	int ret;

	if (r->depth >= MAX_DEPTH) {
		r->err->what = "lxc.include is nested too deeply";
		return -ELOOP;
	}
	r->depth++;
	ret = read_path(r, value);
	r->depth--;
	return ret;
}

static int read_line(struct reader *r, char *line)
{
	char *key, *value, *copy;
	int ret;

	copy = strdup(line);
	if (!copy)
		return -ENOMEM;
	ret = split_line(copy, &key, &value) && value && streq(key, "lxc.include");
	if (ret)
		ret = *value ? include(r, value) : 0;
	else
		ret = lxc_config_line(r->conf, line, &r->err->what);
	free(copy);
	return ret;
}

static int read_file(struct reader *r, const char *path)
{
	_cleanup_free_ char *text = NULL;
	unsigned int number = 0;
	char *next, *line;
	int ret = read_text_at(AT_FDCWD, path, &text);

	if (ret < 0) {
		snprintf(r->err->file, sizeof(r->err->file), "%s", path);
		r->err->line = 0;
		r->err->what = "cannot be read";
		return ret;
	}
	next = text;
	while ((line = next_line(&next))) {
		number++;
		ret = read_line(r, line);
		if (ret < 0) {
			if (!*r->err->file) {
				snprintf(r->err->file, sizeof(r->err->file), "%s", path);
				r->err->line = number;
			}
			return ret;
		}
	}
	return 0;
}

static int is_conf(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len >= 6 && streq(d->d_name + len - 5, ".conf");
}

static int read_dir(struct reader *r, const char *path)
{
	struct dirent **list;
	int ret = 0, n = scandir(path, &list, is_conf, alphasort);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = ret ? NULL : xasprintf("%s/%s", path, list[i]->d_name);

		if (!ret)
			ret = file ? read_file(r, file) : -ENOMEM;
		free(list[i]);
	}
	free(list);
	return ret;
}

static int read_path(struct reader *r, const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) ? read_dir(r, path) : read_file(r, path);
}

/* What lxc.mount.fstab names comes before the entries, as LXC mounts it. */
static int read_fstab(struct lxc_config *c, struct lxc_config_error *err)
{
	struct lxc_config tab = { 0 };
	_cleanup_free_ char *text = NULL;
	char *next, *line;
	int ret = read_text_at(AT_FDCWD, c->fstab, &text);

	snprintf(err->file, sizeof(err->file), "%s", c->fstab);
	err->what = "cannot be read as a table of mounts";
	next = text;
	while (ret >= 0 && (line = next_line(&next))) {
		line += strspn(line, " \t");
		ret = *line && *line != '#' ? add_mount(&tab, line) : 0;
	}
	for (size_t i = 0; ret >= 0 && i < c->n_mounts; i++) {
		if (!GROW(tab.mounts, tab.n_mounts)) {
			ret = -ENOMEM;
			break;
		}
		tab.mounts[tab.n_mounts++] = c->mounts[i];
		c->mounts[i] = (struct lxc_mount_entry){ 0 };
	}
	clear_mounts(c);
	c->mounts = tab.mounts;
	c->n_mounts = tab.n_mounts;
	return MIN(ret, 0);
}

int lxc_config_read(const char *path, struct lxc_config *ret, struct lxc_config_error *err)
{
	struct lxc_config conf = { 0 };
	struct reader r = { &conf, err, 0 };
	int res;

	*err = (struct lxc_config_error){ .what = "out of memory" };
	res = read_path(&r, path);
	if (res >= 0 && conf.fstab)
		res = read_fstab(&conf, err);
	if (res < 0) {
		lxc_config_done(&conf);
		return res;
	}
	*ret = conf;
	return 0;
}

void lxc_config_done(struct lxc_config *c)
{
	clear_nets(c);
	clear_mounts(c);
	free(c->rootfs);
	free(c->rootfs_type);
	free(c->uts);
	free(c->fstab);
	free(c->console);
	free(c->log_file);
	free(c->apparmor);
	free(c->selinux);
	free(c->cgroup_dir);
	*c = (struct lxc_config){ 0 };
}

bool lxc_mount_is_bind(const struct lxc_mount_entry *m)
{
	_cleanup_free_ char *copy = strdup(m->options);
	char *save = NULL;

	for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save))
		if (streq(w, "bind") || streq(w, "rbind"))
			return true;
	return false;
}

static bool has_device(const struct lxc_net *n)
{
	return n->type && !streq(n->type, "none") && !streq(n->type, "empty");
}

static const char *given_name(const struct lxc_net *n)
{
	if (n->name || !n->type || !streq(n->type, "phys"))
		return n->name;
	return n->link;
}

/* Is "eth@number" taken, by one of the first @n? Those without a name have the lowest that are free. */
static bool eth_taken(const struct lxc_config *c, size_t n, uint32_t number)
{
	char eth[IFNAMSIZ];

	snprintf(eth, sizeof(eth), "eth%u", number);
	for (size_t i = 0; i < n; i++) {
		const char *given = given_name(&c->nets[i]);

		if (given && has_device(&c->nets[i]) && streq(given, eth))
			return true;
	}
	return false;
}

int lxc_net_name(const struct lxc_config *c, size_t i, char **ret)
{
	const char *given = given_name(&c->nets[i]);
	uint32_t number = 0;
	char *name;

	for (size_t j = 0; j <= i && !given; j++) {
		if (!has_device(&c->nets[j]) || given_name(&c->nets[j]))
			continue;
		while (eth_taken(c, j, number))
			number++;
		number += j < i;
	}
	name = given ? strdup(given) : xasprintf("eth%u", number);
	if (!name)
		return -ENOMEM;
	*ret = name;
	return 0;
}
