/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock one network namespace: no packet in, out or through, until unlocked; or, where it is shared
 * with others, only some TCP connections in it (below).
 *
 * The lock is an nftables table of the inet family, "ctcr-PID", that is *owned* by our netlink
 * socket (NFT_TABLE_F_OWNER, include/uapi/linux/netfilter/nf_tables.h): nobody else can remove it,
 * and the kernel removes it when the socket is closed, so a coordinator that dies by any death
 * leaves the namespace open. The socket must therefore not be inherited by processes that outlive
 * us (it is close-on-exec; fork nobody who outlives us while holding a lock).
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

/*
 * Only connections of ours, in the coordinator's own namespace: what belongs to one of them is dropped
 * where it would be delivered and where it leaves (both after the host's address translation, so by
 * the addresses that the socket has), loopback included. A connection is its own end's address first.
 */
struct netlock_conn {
	uint8_t local[16], remote[16]; /* IPv4 in the first four */
	uint16_t lport, rport; /* network order */
	uint16_t family; /* AF_INET, AF_INET6 */
};
struct netlock_conns {
	struct netlock_conn *v;
	size_t n;
	uint16_t *ports; /* network order: nobody new may knock at these meanwhile */
	size_t n_ports;
};
void netlock_conns_done(struct netlock_conns *c);
/* Owned by us, like the lock of a namespace; closed by netlock_close(). */
int netlock_open_conns(const struct netlock_conns *c, struct netlock_ns **ret);
int netlock_add(struct netlock_ns *l, const struct netlock_conn *v, size_t n);
/*
 * What stays when the processes of a dump are gone and their connections wait for the restore: the
 * table NETLOCK_HOLD@id, owned by nobody. The host would answer the peers by resets otherwise. Each
 * connection falls out of it after @seconds. netlock_unhold(): 0 also when there is none.
 * netlock_sweep() removes those that everything fell out of.
 */
#define NETLOCK_HOLD "ctcr-hold-"
int netlock_hold(const char *id, const struct netlock_conns *c, unsigned int seconds);
int netlock_unhold(const char *id);
int netlock_sweep(void);

/* Unlock and free; NULL is fine. The lock is gone afterwards whatever is returned. */
int netlock_close(struct netlock_ns *l);
/*
 * The socket that owns the table. For a process that is to hold the lock on should we die: with a copy of
 * this it stays until that process is gone too, or we unlock.
 */
int netlock_fd(const struct netlock_ns *l);
/* "ctcr-PID" of this process in @buf. */
#define NETLOCK_NAME_MAX 32
const char *netlock_table_name(char buf[NETLOCK_NAME_MAX]);
/* Lock or gate of this process: tables that a dump of the namespace's own rules must skip. */
bool netlock_is_ours(const char *table);
