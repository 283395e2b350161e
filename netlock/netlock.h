/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock one network namespace: no packet in, out or through, until unlocked.
 *
 * The lock is an nftables table of the inet family, "ctcr-PID", that is *owned* by our netlink
 * socket (NFT_TABLE_F_OWNER, include/uapi/linux/netfilter/nf_tables.h): nobody else can remove it,
 * and the kernel removes it when the socket is closed, so a coordinator that dies by any death
 * leaves the namespace open. The socket must therefore not be inherited by processes that outlive
 * us (it is close-on-exec; do not fork keepers while holding a lock).
 *
 * What passes: packets with the mark NETLOCK_MARK (SO_MARK, for sockets of ours), and what keeps
 * peers and switches believing in us while the tasks are held: ARP (another family, not touched),
 * IPv6 neighbour solicitations and advertisements, multicast listener reports (MLD, IGMP). The
 * kernel answers these by itself; without them peers would see EHOSTUNREACH and switches would
 * forget the port. Everything else is dropped, loopback too: held connections must not move.
 * Dropped at prerouting, before connection tracking, and at output, before it.
 *
 * Errors: negative errno (-EPERM: no CAP_NET_ADMIN there; -EOPNOTSUPP: no nftables). Nothing logs.
 */
#pragma once

#include "base/util.h"

#define NETLOCK_MARK 0xc114

struct netlock_ns;

/*
 * Lock the namespace that the NETLINK_NETFILTER socket @sock (of any SOCK_ type, fresh) was made in;
 * the socket is ours then, also on failure. netlock_open_ns() makes it in the namespace @netns_fd.
 */
int netlock_open(int sock, struct netlock_ns **ret);
int netlock_open_ns(int netns_fd, struct netlock_ns **ret);
/*
 * Not a lock, a gate: only new TCP connections do not get in, so that programs come to accept those
 * that wait. The table is "ctcr-PID" NETLOCK_GATE; it may stand beside a lock.
 */
#define NETLOCK_GATE "-gate"
int netlock_gate_ns(int netns_fd, struct netlock_ns **ret);
/* Unlock and free; NULL is fine. The lock is gone afterwards whatever is returned. */
int netlock_close(struct netlock_ns *l);
/* "ctcr-PID" of this process in @buf: the table a dump of the namespace's own rules must skip. */
#define NETLOCK_NAME_MAX 32
const char *netlock_table_name(char buf[NETLOCK_NAME_MAX]);
