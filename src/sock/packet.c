/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet sockets, packet(7).
 *
 * Shown by the kernel: device and protocol by getsockname(2), the rest by options and sock_diag(7).
 * Refused: mapped rings, and a program that chooses in a fanout group, which nothing shows. Frames that wait
 * to be read are lost, as a network may lose them, with a warning.
 */
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>

#include "base/log.h"
#include "sock/kinds.h"
#include "sock/opts.h"
#include "sock/sk.h"

static bool packet_match(const struct file_desc *f)
{
	return sk_is(f, AF_PACKET, -1, -1);
}

struct packet_info {
	uint32_t ino;
	bool seen, ring, fanout;
	uint32_t fanout_arg;
	PacketEntry *p; /* members are put here; NULL in the survey */
};

static int take_members(struct packet_info *i, const struct nlattr *a)
{
	const struct packet_diag_mclist *m = mnl_attr_get_payload(a);
	size_t n = mnl_attr_get_payload_len(a) / sizeof(*m);

	for (size_t j = 0; i->p && j < n; j++) {
		PacketMemberEntry *e = malloc(sizeof(*e));

		if (!e || !GROW(i->p->members, i->p->n_members)) {
			free(e);
			return -ENOMEM;
		}
		packet_member_entry__init(e);
		i->p->members[i->p->n_members++] = e;
		e->ifindex = m[j].pdmc_index;
		e->type = m[j].pdmc_type;
		e->count = m[j].pdmc_count;
		if (sk_set_bytes(&e->address, m[j].pdmc_addr, MIN(m[j].pdmc_alen, sizeof(m[j].pdmc_addr))) <
		    0)
			return -ENOMEM;
	}
	return 0;
}

static int take_info(void *arg, const void *payload, size_t len)
{
	struct packet_info *i = arg;
	const struct packet_diag_msg *m = payload;
	const struct nlattr *a = (const void *)(m + 1);
	int err = 0;

	if (len < sizeof(*m) || m->pdiag_ino != i->ino)
		return 0;
	i->seen = true;
	for (len -= sizeof(*m); err == 0 && mnl_attr_ok(a, len); a = mnl_attr_next(a)) {
		switch (mnl_attr_get_type(a)) {
		case PACKET_DIAG_MCLIST:
			err = take_members(i, a);
			break;
		case PACKET_DIAG_RX_RING:
		case PACKET_DIAG_TX_RING:
			i->ring = true;
			break;
		case PACKET_DIAG_FANOUT:
			i->fanout = true;
			i->fanout_arg = mnl_attr_get_u32(a);
			break;
		}
		len -= MIN(len, (size_t)MNL_ALIGN(a->nla_len));
	}
	return err;
}

static int packet_info(struct dump *d, const struct file_desc *f, struct packet_info *i)
{
	_cleanup_close_ int own = -1;
	struct packet_diag_req req = {
		.sdiag_family = AF_PACKET,
		.pdiag_show = PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT,
	};
	int fd = sk_borrow(f, &own), err;

	i->ino = f->st.st_ino;
	err = fd < 0 ? fd : sk_diag(d, fd, &req, sizeof(req), true, take_info, i);
	return err < 0 ? err : i->seen ? 0 : -ENOENT;
}

/* Why it can never be restored; NULL: it can. */
static const char *refusal(const struct packet_info *i)
{
	const uint8_t type = i->fanout_arg >> 16 & 0xff;

	if (i->ring)
		return "a packet socket with a mapped ring; close it";
	if (i->fanout && (type == PACKET_FANOUT_CBPF || type == PACKET_FANOUT_EBPF))
		return "a BPF program chooses in its group of packet sockets (PACKET_FANOUT_DATA), and "
		       "cannot be read back; close it";
	return NULL;
}

static int packet_survey(struct dump *d, const struct file_desc *f)
{
	struct packet_info i = { 0 };
	const char *why = packet_info(d, f, &i) < 0 ? NULL : refusal(&i);

	return why ? dump_obstacle(d, "%s: %s", file_desc_name(f), why) : 0;
}

static int dump_entry(struct dump *d, const struct file_desc *f, PacketEntry *p)
{
	struct packet_info i = { .p = p };
	struct sockaddr_ll a = { 0 };
	socklen_t len = sizeof(a);
	const char *why;
	int err = opts_dump(d, f, &p->sock);

	if (err < 0)
		return err;
	p->sock->protocol = 0; /* bind(2) names it: nothing is received before */
	if (getsockname(f->fd, (struct sockaddr *)&a, &len) < 0)
		return log_errno(errno, "%s: getsockname", file_desc_name(f));
	p->protocol = a.sll_protocol;
	p->ifindex = a.sll_ifindex > 0 ? a.sll_ifindex : 0;
	err = packet_info(d, f, &i);
	if (err < 0)
		return log_errno(err, "%s: sock_diag", file_desc_name(f));
	why = refusal(&i);
	if (why) {
		log_error("%s: %s", file_desc_name(f), why);
		return -EOPNOTSUPP;
	}
	sk_warn_queue(f, "frames");
	p->has_fanout = i.fanout;
	p->fanout = i.fanout_arg;
	return 0;
}

static int packet_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	PacketEntry *p = malloc(sizeof(*p));
	int err;

	if (!p)
		return log_oom();
	packet_entry__init(p);
	err = dump_entry(d, f, p);
	if (err < 0) {
		packet_entry__free_unpacked(p, NULL);
		return err;
	}
	msg->kind_case = FILE_ENTRY__KIND_PACKET;
	msg->packet = p;
	return 0;
}

static int packet_deps(struct restore *r, const FileEntry *msg)
{
	const PacketEntry *p = msg->packet;
	bool ok = p->sock->domain == AF_PACKET && p->protocol <= UINT16_MAX && p->ifindex <= INT32_MAX;

	for (size_t i = 0; ok && i < p->n_members; i++)
		ok = p->members[i]->address.len <= 32 && p->members[i]->count <= 65536;
	if (ok)
		return opts_check(msg, p->sock);
	log_error("%s: the image has no sane packet socket here", file_entry_name(msg));
	return -EBADMSG;
}

static struct rtask *packet_maker(struct restore *r, const FileEntry *msg)
{
	return sk_maker(r, msg->packet->sock->net_ns_id);
}

static int restore_member(const PacketMemberEntry *m, int fd)
{
	struct {
		int ifindex;
		unsigned short type, alen;
		unsigned char address[32];
	} req = { m->ifindex, m->type, m->address.len, { 0 } };

	if (m->address.len)
		memcpy(req.address, m->address.data, MIN(m->address.len, sizeof(req.address)));
	for (uint32_t i = 0; i < m->count; i++)
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) < 0)
			return -errno;
	return 0;
}

/* The filter is attached by then: nothing that it would not let pass is ever queued. */
static int restore_binding(const FileEntry *msg, int fd)
{
	const PacketEntry *p = msg->packet;
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = p->protocol,
		.sll_ifindex = p->ifindex,
	};

	if ((p->protocol || p->ifindex) && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return log_errno(errno, "%s: bind to interface %u protocol 0x%x", file_entry_name(msg),
				 p->ifindex, ntohs(p->protocol));
	/* Binding to an interface that is down leaves ENETDOWN behind. */
	sk_int(fd, SOL_SOCKET, SO_ERROR);
	if (p->has_fanout && setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &p->fanout, sizeof(p->fanout)) < 0)
		return log_errno(errno, "%s: packet fanout 0x%x", file_entry_name(msg), p->fanout);
	for (size_t i = 0; i < p->n_members; i++) {
		int err = restore_member(p->members[i], fd);

		if (err < 0)
			return log_errno(err, "%s: packet membership on interface %u", file_entry_name(msg),
					 p->members[i]->ifindex);
	}
	return 0;
}

static int packet_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	_cleanup_close_ int fd = sk_make(msg, msg->packet->sock, hand);
	int err = fd < 0 ? fd : opts_restore_early(msg, msg->packet->sock, fd);

	return err < 0 ? err : take_fd(&fd);
}

static int packet_finish(struct restore *r, const FileEntry *msg, int fd)
{
	int err = opts_restore_late(r, msg, msg->packet->sock, fd);

	return err < 0 ? err : restore_binding(msg, fd);
}

const struct file_ops packet_ops = {
	.name = "packet socket",
	.kind = FILE_ENTRY__KIND_PACKET,
	.match = packet_match,
	.survey = packet_survey,
	.dump = packet_dump,
	.deps = packet_deps,
	.maker = packet_maker,
	.restore = packet_restore,
	.finish = packet_finish,
};
