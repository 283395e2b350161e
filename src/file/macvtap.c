/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of the character device of a macvtap link (/dev/tapN, drivers/net/tap.c), each a queue of it.
 *
 * The link is made by net/; its device may have another number then, and a node in the container that has the
 * old one is replaced. Cannot be read, and is lost: packets nobody has read yet, TUNSETSNDBUF, TUNSETQUEUE,
 * and what offloads the holder takes (TUNSETOFFLOAD): it gets none, which every holder understands, until it
 * sets them again.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "file/kinds.h"
#include "file/table.h"
#include "mnt/mnt.h"
#include "net/link.h"

#define SET_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)

/* Numbers that the kernel gives out as it likes (Documentation/admin-guide/devices.txt). */
static bool is_dynamic(unsigned int major)
{
	return (major >= 234 && major <= 254) || (major >= 384 && major <= 511);
}

static bool is_macvtap(unsigned int major)
{
	_cleanup_free_ char *text = NULL;
	char *next, *line;

	if (!is_dynamic(major) || read_text_at(AT_FDCWD, "/proc/devices", &text) < 0)
		return false;
	for (next = text; (line = next_line(&next)) && !startswith(line, "Block");) {
		char *end;

		if (strtoul(line, &end, 10) == major && streq(end, " macvtap"))
			return true;
	}
	return false;
}

static bool macvtap_match(const struct file_desc *f)
{
	return S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) && is_macvtap(major(f->st.st_rdev));
}

/* The namespace of the container whose link @name has the device @dev. */
static const struct ns *find_netns(const struct dump *d, const char *name, dev_t dev)
{
	for (size_t i = 0; i < d->n_ns; i++) {
		_cleanup_rtnl_ struct rtnl rt = { .fd = -1 };
		_cleanup_free_ struct nlmsghdr *h = NULL;
		dev_t its;

		if (d->ns[i]->kind != NS_NET || rtnl_open(d->ns[i]->fd, &rt) < 0 ||
		    rtnl_link(&rt, name, 0, &h) < 0)
			continue;
		if (macvtap_device(d->ns[i]->fd, name,
				   ((struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index, &its) == 0 &&
		    its == dev)
			return d->ns[i];
	}
	return NULL;
}

/* The link of @f and its namespace, or why it cannot be dumped. */
static const char *find_link(const struct dump *d, const struct file_desc *f, struct ifreq *ifr,
			     const struct ns **ret)
{
	*ifr = (struct ifreq){ 0 };
	if (ioctl(f->fd, TUNGETIFF, ifr) < 0)
		return "its macvtap link is gone; close it";
	ifr->ifr_name[IFNAMSIZ - 1] = '\0';
	*ret = find_netns(d, ifr->ifr_name, f->st.st_rdev);
	return *ret ? NULL
		    : "its macvtap link is in a network namespace no task of the container is in; move it";
}

static int macvtap_survey(struct dump *d, const struct file_desc *f)
{
	const struct ns *ns;
	struct ifreq ifr;
	const char *why = find_link(d, f, &ifr, &ns);

	return why ? dump_obstacle(d, "%s: %s", file_desc_name(f), why) : 0;
}

static int macvtap_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	MacvtapEntry *e = MSG_NEW(MacvtapEntry, macvtap_entry);
	const struct ns *ns = NULL;
	struct ifreq ifr;
	const char *why;
	int v = 0;

	if (!e)
		return log_oom();
	msg->macvtap = e;
	msg->kind_case = FILE_ENTRY__KIND_MACVTAP;
	why = find_link(d, f, &ifr, &ns);
	if (why) {
		log_error("%s: %s", file_desc_name(f), why);
		return -EOPNOTSUPP;
	}
	e->net_ns_id = ns->id;
	e->iff = (unsigned short)ifr.ifr_flags;
	if (e->iff & IFF_VNET_HDR)
		log_warn("%s: which offloads its holder takes cannot be read: none after a restore, until it "
			 "sets "
			 "them again",
			 file_desc_name(f));
	e->name = strdup(ifr.ifr_name);
	if (!e->name)
		return log_oom();
	if (ioctl(f->fd, TUNGETVNETHDRSZ, &e->vnet_hdr_size) < 0)
		return log_errno(-errno, "%s: header size", file_desc_name(f));
	e->has_vnet_le = ioctl(f->fd, TUNGETVNETLE, &v) == 0;
	e->vnet_le = v;
	e->has_vnet_be = ioctl(f->fd, TUNGETVNETBE, &v) == 0;
	e->vnet_be = v;
	v = mnt_resolve(d, f->task, f->mnt_id, f->link, &e->mnt_ns_id, &e->path);
	return v < 0 ? log_errno(v, "%s: its mount", file_desc_name(f)) : 0;
}

static struct rtask *macvtap_maker(struct restore *r, const FileEntry *msg)
{
	return maker_in_mnt(r, msg->macvtap->mnt_ns_id);
}

static const LinkEntry *find_entry(const struct restore *r, const MacvtapEntry *e)
{
	const struct rnet *n = rnet_find(r, e->net_ns_id);

	for (size_t i = 0; n && i < n->msg->n_links; i++)
		if (streq(n->msg->links[i]->name, e->name) && streq(n->msg->links[i]->kind, "macvtap"))
			return n->msg->links[i];
	return NULL;
}

static int macvtap_deps(struct restore *r, const FileEntry *msg)
{
	const MacvtapEntry *e = msg->macvtap;

	if (e->path[0] == '/' && find_entry(r, e))
		return 0;
	log_error("image: %s is damaged", file_entry_name(msg));
	return -EBADMSG;
}

static bool is_device(int fd, dev_t dev)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == dev;
}

/* A node of the number that the link's device had, or another one's by now: @at, -1: there is none. */
static int replace_node(const FileEntry *msg, struct remote *hand, int at, dev_t dev)
{
	const char *path = msg->macvtap->path;
	struct stat st = { .st_mode = S_IFCHR | 0600 };
	uint64_t name;
	int ret;

	if (at >= 0 && (fstat(at, &st) < 0 || !S_ISCHR(st.st_mode) || !is_macvtap(major(st.st_rdev))))
		return -ESTALE;
	name = remote_str(hand, path);
	if (at >= 0)
		remote_call(hand, SYS_unlinkat, AT_FDCWD, name, 0);
	/* The kernel's encoding of the number is the C library's for numbers as small as these. */
	remote_call(hand, SYS_mknodat, AT_FDCWD, name, st.st_mode, dev);
	remote_call(hand, SYS_fchownat, AT_FDCWD, name, st.st_uid, st.st_gid, 0);
	remote_call(hand, SYS_chmod, name, st.st_mode & 07777);
	ret = remote_run(hand);
	if (ret == 0)
		log_info("%s: %s is device %u:%u now", file_entry_name(msg), path, major(dev), minor(dev));
	return ret;
}

static int open_device(const FileEntry *msg, struct remote *hand, dev_t dev)
{
	_cleanup_close_ int at = hand_open(hand, msg->macvtap->path, O_PATH), fd = -1;
	int ret = is_device(at, dev) ? 0 : replace_node(msg, hand, at, dev);

	if (ret < 0)
		return log_errno(ret, "%s: %s is not the device of link %s (%u:%u); put it there",
				 file_entry_name(msg), msg->macvtap->path, msg->macvtap->name, major(dev),
				 minor(dev));
	fd = hand_open(hand, msg->macvtap->path, (int)msg->flags);
	if (fd < 0)
		return log_errno(fd, "%s: open %s", file_entry_name(msg), msg->macvtap->path);
	return is_device(fd, dev) ? take_fd(&fd) : log_errno(-ESTALE, "%s", file_entry_name(msg));
}

static int set_up(const FileEntry *msg, int fd)
{
	const MacvtapEntry *e = msg->macvtap;
	struct ifreq ifr = { .ifr_flags = (short)(e->iff & SET_FLAGS) };
	const int le = e->vnet_le, be = e->vnet_be;

	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return log_errno(-errno, "%s: flags 0x%x", file_entry_name(msg), e->iff);
	if (ioctl(fd, TUNSETVNETHDRSZ, &e->vnet_hdr_size) < 0)
		return log_errno(-errno, "%s: header size", file_entry_name(msg));
	if ((le && ioctl(fd, TUNSETVNETLE, &le) < 0) || (be && ioctl(fd, TUNSETVNETBE, &be) < 0))
		return log_errno(-errno, "%s: byte order of headers", file_entry_name(msg));
	if (ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return log_errno(-errno, "%s: offloads", file_entry_name(msg));
	return 0;
}

static int macvtap_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const MacvtapEntry *e = msg->macvtap;
	const LinkEntry *m = find_entry(r, e);
	const struct rnet *n = rnet_find(r, e->net_ns_id);
	_cleanup_close_ int fd = -1;
	dev_t dev;
	int ret = m && n->ns_fd >= 0 ? macvtap_device(n->ns_fd, m->name, m->index, &dev) : -ENODEV;

	if (ret < 0)
		return log_errno(ret, "%s: the device of link %s", file_entry_name(msg), e->name);
	fd = open_device(msg, hand, dev);
	if (fd < 0)
		return fd;
	ret = set_up(msg, fd);
	return ret < 0 ? ret : take_fd(&fd);
}

const struct file_ops macvtap_ops = {
	.name = "macvtap",
	.kind = FILE_ENTRY__KIND_MACVTAP,
	.match = macvtap_match,
	.survey = macvtap_survey,
	.dump = macvtap_dump,
	.deps = macvtap_deps,
	.maker = macvtap_maker,
	.restore = macvtap_restore,
};
