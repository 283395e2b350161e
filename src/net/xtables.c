/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of the legacy iptables and ip6tables (net/ipv4/netfilter/ip_tables.c): each table is one block
 * of memory that getsockopt() shows and setsockopt() takes, followed by the counters. Tables of
 * arptables are refused; those of ebtables cannot be listed and are not looked for.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "base/parse.h"
#include "net/link.h"

#define MAX_ENTRIES (64u << 20) /* bytes of one table */

/* struct ip6t_replace and kin are laid out as those of IPv4; only the entries differ. */
static const struct family {
	int family, level;
	const char *names; /* in /proc/PID/net */
	size_t target_offset, next_offset, counters, head;
} families[] = {
	{ AF_INET, SOL_IP, "ip_tables_names", offsetof(struct ipt_entry, target_offset),
	  offsetof(struct ipt_entry, next_offset), offsetof(struct ipt_entry, counters),
	  sizeof(struct ipt_entry) },
	{ AF_INET6, SOL_IPV6, "ip6_tables_names", offsetof(struct ip6t_entry, target_offset),
	  offsetof(struct ip6t_entry, next_offset), offsetof(struct ip6t_entry, counters),
	  sizeof(struct ip6t_entry) },
};

struct names {
	const char *file;
	char *text;
};

static int read_names(void *arg)
{
	struct names *n = arg;
	_cleanup_free_ char *path = xasprintf("/proc/thread-self/net/%s", n->file);

	return path ? read_text_at(AT_FDCWD, path, &n->text) : -ENOMEM;
}

/* The tables the namespace has, a line each; NULL text when the kernel has none of that kind. */
static int table_names(const struct net_dump *n, const char *file, char **ret)
{
	struct names names = { .file = file };
	int err = netns_call(n->ns->fd, read_names, &names);

	if (err < 0 && err != -ENOENT)
		return err;
	*ret = names.text;
	return 0;
}

int xtables_survey(struct net_dump *n)
{
	_cleanup_free_ char *text = NULL;
	int ret = table_names(n, "arp_tables_names", &text);

	if (ret < 0 || !text || !text[0])
		return ret;
	return dump_obstacle(
		n->d,
		"network namespace %u has tables of the legacy arptables, which is not supported; "
		"use nftables and unload arptable_filter",
		n->msg->ns_id);
}

static int raw_socket(int ns_fd, const struct family *f)
{
	return netns_socket(ns_fd, f->family, SOCK_RAW, IPPROTO_RAW);
}

static int get_info(int sock, const struct family *f, const char *name, struct ipt_getinfo *ret)
{
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);

	if (strlen(name) >= sizeof(info.name))
		return -EINVAL;
	memcpy(info.name, name, strlen(name));
	if (getsockopt(sock, f->level, IPT_SO_GET_INFO, &info, &len) < 0)
		return -errno;
	*ret = info;
	return 0;
}

static int get_entries(int sock, const struct family *f, const struct ipt_getinfo *info, XtablesEntry *m)
{
	socklen_t len = sizeof(struct ipt_get_entries) + info->size;
	_cleanup_free_ struct ipt_get_entries *e = calloc(1, len);

	if (!e)
		return -ENOMEM;
	memcpy(e->name, info->name, sizeof(e->name));
	e->size = info->size;
	if (getsockopt(sock, f->level, IPT_SO_GET_ENTRIES, e, &len) < 0)
		return -errno;
	return bytes_copy(&m->entries, e->entrytable, info->size);
}

static int dump_table(int sock, const struct family *f, const char *name, XtablesEntry *m)
{
	struct ipt_getinfo info;
	int ret = get_info(sock, f, name, &info);

	if (ret < 0)
		return ret;
	m->family = f->family;
	m->name = strdup(name);
	m->valid_hooks = info.valid_hooks;
	m->num_entries = info.num_entries;
	m->hook_entry = malloc(sizeof(info.hook_entry));
	m->underflow = malloc(sizeof(info.underflow));
	if (!m->name || !m->hook_entry || !m->underflow)
		return -ENOMEM;
	m->n_hook_entry = m->n_underflow = NF_INET_NUMHOOKS;
	memcpy(m->hook_entry, info.hook_entry, sizeof(info.hook_entry));
	memcpy(m->underflow, info.underflow, sizeof(info.underflow));
	return get_entries(sock, f, &info, m);
}

static int dump_family(struct net_dump *n, const struct family *f)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int sock = -1;
	char *line, *rest;
	int ret = table_names(n, f->names, &text);

	if (ret < 0 || !text || !text[0])
		return ret;
	sock = raw_socket(n->ns->fd, f);
	if (sock < 0)
		return sock;
	rest = text;
	while (ret == 0 && (line = next_line(&rest))) {
		XtablesEntry *m = malloc(sizeof(*m));

		if (!m || !GROW(n->msg->xtables, n->msg->n_xtables)) {
			free(m);
			return -ENOMEM;
		}
		xtables_entry__init(m);
		n->msg->xtables[n->msg->n_xtables++] = m;
		ret = dump_table(sock, f, line, m);
	}
	return ret;
}

int xtables_dump(struct net_dump *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int ret = dump_family(n, &families[i]);

		if (ret < 0)
			return log_errno(ret, "network namespace %u: %s", n->msg->ns_id, families[i].names);
	}
	return 0;
}

static const struct family *family_of(const XtablesEntry *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].family == (int)m->family)
			return &families[i];
	return NULL;
}

/* The counters of all entries in order; -EBADMSG unless they are exactly @m->num_entries. */
static int take_counters(const struct family *f, const XtablesEntry *m, struct xt_counters *ret)
{
	size_t at = 0, n = 0;

	while (at < m->entries.len) {
		uint16_t next;

		if (m->entries.len - at < f->head || n == m->num_entries)
			return -EBADMSG;
		memcpy(&next, m->entries.data + at + f->next_offset, sizeof(next));
		if (next < f->head || next > m->entries.len - at)
			return -EBADMSG;
		memcpy(&ret[n++], m->entries.data + at + f->counters, sizeof(*ret));
		at += next;
	}
	return n == m->num_entries ? 0 : -EBADMSG;
}

int xtables_plan(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_xtables; i++) {
		const XtablesEntry *m = n->msg->xtables[i];

		if (family_of(m) && strlen(m->name) < XT_TABLE_MAXNAMELEN && m->entries.len < MAX_ENTRIES &&
		    m->n_hook_entry == NF_INET_NUMHOOKS && m->n_underflow == NF_INET_NUMHOOKS &&
		    m->num_entries <= m->entries.len / sizeof(struct xt_counters))
			continue;
		log_error("image: network namespace %u: table %zu of iptables is damaged", n->msg->ns_id, i);
		return -EBADMSG;
	}
	return 0;
}

/* @old: how many entries the table has now; the kernel returns their counters. */
static int set_replace(int sock, const struct family *f, const XtablesEntry *m, uint32_t old)
{
	_cleanup_free_ struct xt_counters *counters = calloc(old + 1, sizeof(*counters));
	size_t len = sizeof(struct ipt_replace) + m->entries.len;
	_cleanup_free_ struct ipt_replace *r = calloc(1, len);

	if (!r || !counters)
		return -ENOMEM;
	memcpy(r->name, m->name, strlen(m->name));
	r->valid_hooks = m->valid_hooks;
	r->num_entries = m->num_entries;
	r->size = m->entries.len;
	memcpy(r->hook_entry, m->hook_entry, sizeof(r->hook_entry));
	memcpy(r->underflow, m->underflow, sizeof(r->underflow));
	r->num_counters = old;
	r->counters = counters;
	memcpy(r->entries, m->entries.data, m->entries.len);
	return RET_NERRNO(setsockopt(sock, f->level, IPT_SO_SET_REPLACE, r, len));
}

static int add_counters(int sock, const struct family *f, const XtablesEntry *m)
{
	size_t len = sizeof(struct xt_counters_info) + m->num_entries * sizeof(struct xt_counters);
	_cleanup_free_ struct xt_counters_info *c = calloc(1, len);
	int ret;

	if (!c)
		return -ENOMEM;
	memcpy(c->name, m->name, strlen(m->name));
	c->num_counters = m->num_entries;
	ret = take_counters(f, m, c->counters);
	return ret < 0 ? ret : RET_NERRNO(setsockopt(sock, f->level, IPT_SO_SET_ADD_COUNTERS, c, len));
}

static int restore_table(struct rnet *n, const XtablesEntry *m)
{
	const struct family *f = family_of(m);
	_cleanup_close_ int sock = raw_socket(n->ns_fd, f);
	struct ipt_getinfo info;
	int ret = sock < 0 ? sock : get_info(sock, f, m->name, &info);

	if (ret == 0)
		ret = set_replace(sock, f, m, info.num_entries);
	return ret < 0 ? ret : add_counters(sock, f, m);
}

int xtables_restore(struct rnet *n)
{
	for (size_t i = 0; i < n->msg->n_xtables; i++) {
		const XtablesEntry *m = n->msg->xtables[i];
		int ret = restore_table(n, m);

		if (ret < 0)
			return log_errno(ret, "network namespace %u: table %s of %s", n->msg->ns_id, m->name,
					 m->family == AF_INET ? "iptables" : "ip6tables");
	}
	return 0;
}
