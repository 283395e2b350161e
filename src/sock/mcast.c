/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Multicast groups a socket is in. The kernel does not list them; it answers MCAST_MSFILTER for a
 * group the socket is in and EADDRNOTAVAIL for others, so every group of the namespace
 * (/proc/PID/net/igmp, igmp6) is asked for.
 */
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "sock/inet.h"
#include "sock/sk.h"

#define MAX_SOURCES 128

static int level_of(const union sk_addr *group)
{
	return group->sa.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

static void set_group(union sk_addr *a, const ProtobufCBinaryData *b)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = b->len == 4 ? AF_INET : AF_INET6;
	if (b->len == 4)
		memcpy(&a->in.sin_addr, b->data, 4);
	else
		memcpy(&a->in6.sin6_addr, b->data, 16);
}

static int set_bytes_of(ProtobufCBinaryData *b, const void *storage)
{
	union sk_addr a;

	memcpy(&a, storage, sizeof(a));
	if (a.sa.sa_family == AF_INET)
		return sk_set_bytes(b, &a.in.sin_addr, 4);
	return sk_set_bytes(b, &a.in6.sin6_addr, 16);
}

static int add_group(InetEntry *e, uint32_t ifindex, const struct group_filter *gf)
{
	McastEntry *m = malloc(sizeof(*m));

	if (!m || !GROW(e->groups, e->n_groups)) {
		free(m);
		return -ENOMEM;
	}
	mcast_entry__init(m);
	e->groups[e->n_groups++] = m;
	m->ifindex = ifindex;
	m->mode = gf->gf_fmode;
	m->sources = calloc(gf->gf_numsrc + 1, sizeof(*m->sources));
	if (!m->sources || set_bytes_of(&m->group, &gf->gf_group) < 0)
		return -ENOMEM;
	for (; m->n_sources < gf->gf_numsrc; m->n_sources++)
		if (set_bytes_of(&m->sources[m->n_sources], &gf->gf_slist[m->n_sources]) < 0)
			return -ENOMEM;
	return 0;
}

static int ask_group(const struct file_desc *f, InetEntry *e, uint32_t ifindex, const union sk_addr *group)
{
	socklen_t len = GROUP_FILTER_SIZE(MAX_SOURCES);
	_cleanup_free_ struct group_filter *gf = calloc(1, len);

	if (!gf)
		return -ENOMEM;
	gf->gf_interface = ifindex;
	memcpy(&gf->gf_group, group, sizeof(gf->gf_group));
	gf->gf_numsrc = MAX_SOURCES;
	if (getsockopt(f->fd, level_of(group), MCAST_MSFILTER, gf, &len) < 0)
		return 0;
	if (gf->gf_numsrc > MAX_SOURCES) {
		log_error("%s: more than %d sources of a multicast group; leave some", file_desc_name(f),
			  MAX_SOURCES);
		return -EOPNOTSUPP;
	}
	return add_group(e, ifindex, gf);
}

/* "2\teth0 : 2 V3" heads an interface's groups "\t\t\t\t010000E0 1 ...". */
static int ask_igmp(const struct file_desc *f, InetEntry *e, char *text)
{
	uint32_t ifindex = 0;
	char *line;
	int err = 0;

	while (err == 0 && (line = next_line(&text))) {
		union sk_addr group = { .sa.sa_family = AF_INET };
		unsigned int hex;

		if (line[0] != '\t')
			ifindex = strtoul(line, NULL, 10);
		else if (ifindex && sscanf(line, " %8X", &hex) == 1) {
			group.in.sin_addr.s_addr = hex;
			err = ask_group(f, e, ifindex, &group);
		}
	}
	return err;
}

/* "1 lo ff020000000000000000000000000001 1 0000000C 0". */
static int ask_igmp6(const struct file_desc *f, InetEntry *e, char *text)
{
	char *line, hex[33];
	uint32_t ifindex;
	int err = 0;

	while (err == 0 && (line = next_line(&text))) {
		union sk_addr group = { .sa.sa_family = AF_INET6 };

		if (sscanf(line, "%u %*s %32s", &ifindex, hex) != 2 || strlen(hex) != 32)
			continue;
		for (size_t i = 0; i < 16; i++)
			sscanf(hex + 2 * i, "%2hhx", &group.in6.sin6_addr.s6_addr[i]);
		err = ask_group(f, e, ifindex, &group);
	}
	return err;
}

int mcast_dump(struct dump *d, const struct file_desc *f, InetEntry *e)
{
	_cleanup_free_ char *igmp = NULL, *igmp6 = NULL;
	int err = 0;

	if (e->sock->net_ns_id && (!f->task->ns[NS_NET] || f->task->ns[NS_NET]->id != e->sock->net_ns_id))
		log_warn("%s: its multicast groups cannot be seen from task %d", file_desc_name(f),
			 f->task->pid);
	if (read_text_at(f->task->proc, "net/igmp", &igmp) >= 0)
		err = ask_igmp(f, e, igmp);
	if (err == 0 && e->sock->domain == AF_INET6 && read_text_at(f->task->proc, "net/igmp6", &igmp6) >= 0)
		err = ask_igmp6(f, e, igmp6);
	return err;
}

bool mcast_ok(const McastEntry *m)
{
	bool ok = (m->group.len == 4 || m->group.len == 16) && m->n_sources <= MAX_SOURCES;

	for (size_t i = 0; ok && i < m->n_sources; i++)
		ok = m->sources[i].len == m->group.len;
	return ok;
}

static int join(const McastEntry *m, int fd)
{
	_cleanup_free_ struct group_filter *gf = calloc(1, GROUP_FILTER_SIZE(MAX_SOURCES));
	struct group_req req = { .gr_interface = m->ifindex };
	union sk_addr group;

	if (!gf)
		return -ENOMEM;
	set_group(&group, &m->group);
	memcpy(&req.gr_group, &group, sizeof(req.gr_group));
	if (setsockopt(fd, level_of(&group), MCAST_JOIN_GROUP, &req, sizeof(req)) < 0)
		return -errno;
	if (m->mode == MCAST_EXCLUDE && !m->n_sources)
		return 0;
	gf->gf_interface = m->ifindex;
	gf->gf_group = req.gr_group;
	gf->gf_fmode = m->mode;
	gf->gf_numsrc = m->n_sources;
	for (size_t i = 0; i < m->n_sources; i++) {
		union sk_addr a;

		set_group(&a, &m->sources[i]);
		memcpy(&gf->gf_slist[i], &a, sizeof(gf->gf_slist[i]));
	}
	return setsockopt(fd, level_of(&group), MCAST_MSFILTER, gf, GROUP_FILTER_SIZE(m->n_sources)) < 0
		       ? -errno
		       : 0;
}

int mcast_restore(const FileEntry *msg, const InetEntry *e, int fd)
{
	for (size_t i = 0; i < e->n_groups; i++) {
		int err = join(e->groups[i], fd);

		if (err < 0)
			return log_errno(err, "%s: join a multicast group on interface %u",
					 file_entry_name(msg), e->groups[i]->ifindex);
	}
	return 0;
}
