/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets, netlink(7).
 *
 * Shown by the kernel: port id, groups, options. Refused for the moment (-EAGAIN): unread messages,
 * which cannot be queued again; those about our own lock are not counted (netlink_news.c). Lost: the place in
 * a dump that is being read message by message, which shows as unread messages too.
 */
#include <linux/netlink.h>

#include "base/log.h"
#include "file/file.h"
#include "sock/kinds.h"
#include "sock/netlink.h"
#include "sock/opts.h"
#include "sock/sk.h"
#include "sock/sock.h"

#define MAX_GROUPS 4096

static bool netlink_match(const struct file_desc *f)
{
	return sk_is(f, AF_NETLINK, -1, -1);
}

/* Group numbers, from the bitmap of NETLINK_LIST_MEMBERSHIPS. */
static int dump_groups(int fd, NetlinkEntry *n)
{
	uint32_t map[MAX_GROUPS / 32];
	socklen_t len = sizeof(map);

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, map, &len) < 0)
		return -errno;
	if (len > sizeof(map))
		return -E2BIG;
	n->groups = calloc(len * 8 + 1, sizeof(*n->groups));
	if (!n->groups)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)len * 8; i++)
		if (map[i / 32] & (1U << i % 32))
			n->groups[n->n_groups++] = i + 1;
	return 0;
}

static int dump_names(int fd, NetlinkEntry *n)
{
	struct sockaddr_nl a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -errno;
	n->portid = a.nl_pid;
	len = sizeof(a);
	if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 && (a.nl_pid || a.nl_groups)) {
		n->has_dst_portid = n->has_dst_groups = true;
		n->dst_portid = a.nl_pid;
		n->dst_groups = a.nl_groups;
	}
	return 0;
}

static int dump_entry(struct dump *d, const struct file_desc *f, NetlinkEntry *n)
{
	char byte;
	int err;

	netlink_forget_own(f->fd);
	if (recv(f->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) >= 0) {
		log_error("%s: has unread netlink messages; try again", file_desc_name(f));
		return -EAGAIN;
	}
	err = opts_dump(d, f, &n->sock);
	if (err < 0)
		return err;
	err = dump_names(f->fd, n);
	if (err == 0)
		err = dump_groups(f->fd, n);
	return err < 0 ? log_errno(err, "%s: netlink socket", file_desc_name(f)) : 0;
}

static int netlink_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	NetlinkEntry *n = malloc(sizeof(*n));
	int err;

	if (!n)
		return log_oom();
	netlink_entry__init(n);
	err = dump_entry(d, f, n);
	if (err < 0) {
		netlink_entry__free_unpacked(n, NULL);
		return err;
	}
	msg->kind_case = FILE_ENTRY__KIND_NETLINK;
	msg->netlink = n;
	return 0;
}

static int netlink_deps(struct restore *r, const FileEntry *msg)
{
	const NetlinkEntry *n = msg->netlink;

	if (n->sock->domain == AF_NETLINK && n->n_groups <= MAX_GROUPS)
		return opts_check(msg, n->sock);
	log_error("%s: the image has no netlink socket here", file_entry_name(msg));
	return -EBADMSG;
}

static struct rtask *netlink_maker(struct restore *r, const FileEntry *msg)
{
	return sk_maker(r, msg->netlink->sock->net_ns_id);
}

static int restore_names(const NetlinkEntry *n, int fd)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = n->portid };

	if (n->portid && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	for (size_t i = 0; i < n->n_groups; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &n->groups[i], sizeof(n->groups[i])) <
		    0)
			return -errno;
	if (!n->has_dst_portid)
		return 0;
	a.nl_pid = n->dst_portid;
	a.nl_groups = n->dst_groups;
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

static int netlink_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const NetlinkEntry *n = msg->netlink;
	_cleanup_close_ int fd = sk_make(msg, n->sock, hand);
	int err = fd;

	if (fd >= 0)
		err = opts_restore_early(msg, n->sock, fd);
	if (err < 0)
		return err;
	err = restore_names(n, fd);
	if (err < 0)
		return log_errno(err, "%s: netlink protocol %u port %u", file_entry_name(msg),
				 n->sock->protocol, n->portid);
	return take_fd(&fd);
}

/* What came in while it was made is not the application's: networks being set up, for one. */
static void drain(int fd)
{
	char byte;

	for (int i = 0; i < 100000 && (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno == ENOBUFS); i++)
		;
}

static int netlink_finish(struct restore *r, const FileEntry *msg, int fd)
{
	drain(fd);
	return opts_restore_late(r, msg, msg->netlink->sock, fd);
}

void sock_drain_netlink(struct restore *r)
{
	const FileEntry *msg;

	for (uint32_t id = 1; (msg = files_entry(r, id)); id++)
		if (msg->kind_case == FILE_ENTRY__KIND_NETLINK && !file_inherited(r, msg))
			drain(files_get(r, id));
}

const struct file_ops netlink_ops = {
	.name = "netlink socket",
	.kind = FILE_ENTRY__KIND_NETLINK,
	.match = netlink_match,
	.dump = netlink_dump,
	.deps = netlink_deps,
	.maker = netlink_maker,
	.restore = netlink_restore,
	.finish = netlink_finish,
};
