/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of /dev/net/tun: attached to a tun or tap interface (a queue of it) or not yet.
 *
 * The interface is made by net/link_tun.c; the descriptor is opened by a task in the interface's
 * network namespace and attached by its name. Lost: packets nobody has read yet. What offloads a
 * holder takes (TUNSETOFFLOAD) shows in the interface's features. Refused: a filter (TUNATTACHFILTER), a
 * detached queue.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/netns.h"
#include "file/kinds.h"
#include "file/table.h"
#include "mnt/mnt.h"
#include "net/link.h"

#define TUN_MINOR 200
#ifndef TUN_F_USO4 /* since 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#define ATTACH_FLAGS (IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)

static bool tun_match(const struct file_desc *f)
{
	return S_ISCHR(f->st.st_mode) && f->st.st_rdev == makedev(10, TUN_MINOR) && !(f->flags & O_PATH);
}

/* Why it cannot be dumped; @ifr is filled if it is attached (name not empty). */
static const char *tun_problem(const struct file_desc *f, struct ifreq *ifr)
{
	struct sock_fprog filter = { 0 };

	*ifr = (struct ifreq){ 0 };
	if (ioctl(f->fd, TUNGETIFF, ifr) < 0) {
		ifr->ifr_name[0] = '\0';
		return errno == EBADFD ? NULL : "its interface cannot be read; close it";
	}
	if ((unsigned short)ifr->ifr_flags & IFF_DETACH_QUEUE)
		return "a detached queue of a tun interface is not supported; attach or close it";
	if (ioctl(f->fd, TUNGETFILTER, &filter) == 0 && filter.len)
		return "its tap interface has a filter (TUNATTACHFILTER), which is not supported; detach it";
	return NULL;
}

static int tun_survey(struct dump *d, const struct file_desc *f)
{
	struct ifreq ifr;
	const char *why = tun_problem(f, &ifr);

	return why ? dump_obstacle(d, "%s: %s", file_desc_name(f), why) : 0;
}

static const struct {
	const char *feature; /* as ethtool(8) calls it */
	uint32_t flag;
} offloads[] = {
	{ "tx-checksum-ip-generic", TUN_F_CSUM },
	{ "tx-tcp-segmentation", TUN_F_TSO4 },
	{ "tx-tcp6-segmentation", TUN_F_TSO6 },
	{ "tx-tcp-ecn-segmentation", TUN_F_TSO_ECN },
	{ "tx-udp-segmentation", TUN_F_USO4 | TUN_F_USO6 },
};

/* @ns: the network namespace of the interface. */
static void dump_offload(int ns, TunEntry *e)
{
	_cleanup_close_ int sock = netns_socket(ns, AF_INET, SOCK_DGRAM, 0);

	for (size_t i = 0; sock >= 0 && i < ARRAY_SIZE(offloads); i++)
		if (link_feature_active(sock, e->name, offloads[i].feature) == 1)
			e->offload |= offloads[i].flag;
	e->has_offload = e->offload & TUN_F_CSUM; /* the others need it */
}

static int dump_netns(struct dump *d, const struct file_desc *f, TunEntry *e)
{
	_cleanup_close_ int ns = ioctl(f->fd, SIOCGSKNS);
	const struct ns *found;
	struct stat st, own;

	if (ns < 0 || fstat(ns, &st) < 0 || stat("/proc/thread-self/ns/net", &own) < 0)
		return log_errno(-errno, "%s: network namespace", file_desc_name(f));
	e->has_net_ns_id = true;
	dump_offload(ns, e);
	found = dump_find_ns(d, st.st_ino);
	if (found)
		e->net_ns_id = found->id;
	if (found || st.st_ino == own.st_ino)
		return 0;
	log_error("%s: its interface %s is in a network namespace no task is in; move it", file_desc_name(f),
		  e->name);
	return -EOPNOTSUPP;
}

static int dump_attached(struct dump *d, const struct file_desc *f, const struct ifreq *ifr, TunEntry *e)
{
	e->name = strndup(ifr->ifr_name, IFNAMSIZ);
	if (!e->name)
		return log_oom();
	e->has_iff = e->has_vnet_hdr_size = e->has_sndbuf = true;
	e->iff = (unsigned short)ifr->ifr_flags;
	if (ioctl(f->fd, TUNGETVNETHDRSZ, &e->vnet_hdr_size) < 0 ||
	    ioctl(f->fd, TUNGETSNDBUF, &e->sndbuf) < 0)
		return log_errno(-errno, "%s: header size", file_desc_name(f));
	return dump_netns(d, f, e);
}

static int tun_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	TunEntry *e = MSG_NEW(TunEntry, tun_entry);
	struct ifreq ifr;
	const char *why;
	int ret;

	if (!e)
		return log_oom();
	msg->tun = e;
	msg->kind_case = FILE_ENTRY__KIND_TUN;
	why = tun_problem(f, &ifr);
	if (why) {
		log_error("%s: %s", file_desc_name(f), why);
		return -EOPNOTSUPP;
	}
	ret = mnt_resolve(d, f->task, f->mnt_id, f->link, &e->mnt_ns_id, &e->path);
	if (ret < 0)
		return log_errno(ret, "%s: its mount", file_desc_name(f));
	return ifr.ifr_name[0] ? dump_attached(d, f, &ifr, e) : 0;
}

/* Its network namespace is that of the task that opens it. */
static struct rtask *tun_maker(struct restore *r, const FileEntry *msg)
{
	const TunEntry *e = msg->tun;

	if (!e->name)
		return maker_in_mnt(r, e->mnt_ns_id);
	for (size_t i = 0; i < r->n_tasks; i++) {
		const TaskEntry *t = r->tasks[i].msg;

		if (r->tasks[i].hand && t->n_ns_ids == NS_KINDS && t->ns_ids[NS_MNT] == e->mnt_ns_id &&
		    t->ns_ids[NS_NET] == e->net_ns_id)
			return &r->tasks[i];
	}
	return NULL;
}

static int tun_deps(struct restore *r, const FileEntry *msg)
{
	const TunEntry *e = msg->tun;

	if (e->path[0] == '/' && (!e->name || (e->name[0] && strlen(e->name) < IFNAMSIZ)))
		return 0;
	log_error("image: %s is damaged", file_entry_name(msg));
	return -EBADMSG;
}

static int attach(const FileEntry *msg, int fd)
{
	const TunEntry *e = msg->tun;
	struct ifreq ifr = { .ifr_flags = e->iff & ATTACH_FLAGS };

	strncpy(ifr.ifr_name, e->name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return log_errno(-errno, "%s: attach to %s", file_entry_name(msg), e->name);
	if ((e->iff & IFF_VNET_HDR) && ioctl(fd, TUNSETVNETHDRSZ, &e->vnet_hdr_size) < 0)
		return log_errno(-errno, "%s: header size", file_entry_name(msg));
	if (e->has_sndbuf && e->sndbuf > 0 && ioctl(fd, TUNSETSNDBUF, &e->sndbuf) < 0)
		return log_errno(-errno, "%s: send buffer", file_entry_name(msg));
	/* A kernel may know fewer: then packets are cut up earlier, that is all. */
	if (e->has_offload && ioctl(fd, TUNSETOFFLOAD, e->offload) < 0)
		log_warn("%s: offloads 0x%x: %s", file_entry_name(msg), e->offload, strerror(errno));
	return 0;
}

static int tun_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const TunEntry *e = msg->tun;
	_cleanup_close_ int fd = hand_open(hand, e->path, (int)msg->flags);
	struct stat st;
	int ret;

	if (fd < 0)
		return log_errno(fd, "%s: open %s", file_entry_name(msg), e->path);
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(10, TUN_MINOR)) {
		log_error("%s: %s is not the tun device; put it back", file_entry_name(msg), e->path);
		return -ESTALE;
	}
	ret = e->name ? attach(msg, fd) : 0;
	return ret < 0 ? ret : take_fd(&fd);
}

/* All queues are attached: the interface goes with the last of them again. */
static int tun_finish(struct restore *r, const FileEntry *msg, int fd)
{
	if (!msg->tun->name || (msg->tun->iff & IFF_PERSIST))
		return 0;
	return ioctl(fd, TUNSETPERSIST, 0) < 0 ? log_errno(-errno, "%s: TUNSETPERSIST", file_entry_name(msg))
					       : 0;
}

const struct file_ops tun_ops = {
	.name = "tun",
	.kind = FILE_ENTRY__KIND_TUN,
	.match = tun_match,
	.survey = tun_survey,
	.dump = tun_dump,
	.deps = tun_deps,
	.maker = tun_maker,
	.restore = tun_restore,
	.finish = tun_finish,
};
