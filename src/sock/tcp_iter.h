/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel knows of TCP connections that no descriptor reaches (TIME-WAIT, orphans that are still
 * closing, those that wait to be accepted, requests), which sock_diag(7) does not tell: their sequence
 * numbers. Read by a BPF iterator, Documentation/bpf/bpf_iterators.rst; where its fields lie is asked of the
 * kernel's type information.
 */
#pragma once

#include "sock/sk.h"

struct tcp_iter_sock {
	uint32_t src6[4], dst6[4]; /* AF_INET6 */
	uint32_t src, dst; /* AF_INET; network order, as the destination port */
	uint32_t ifindex; /* bound to it; 0 */
	uint32_t snd_una, snd_next, rcv_next; /* TIME-WAIT: no snd_una */
	uint32_t rcv_wnd; /* bytes */
	uint32_t ts_offset, ts_recent; /* of our clock in ms; the peer's last, 0: no timestamps */
	uint16_t family, dport, sport, mss;
	uint8_t state, substate; /* substate, of TIME-WAIT: or FIN-WAIT-2 */
	uint8_t reuse, reuseport;
	uint8_t wscale_ok, sack_ok, snd_wscale, rcv_wscale;
	uint8_t acked; /* a request: its client has answered */
	uint8_t pad[3];
};

/*
 * All of the network namespace @netns_fd to @fn, which may stop by a negative errno. -EOPNOTSUPP where
 * the kernel has no iterator, or other fields.
 */
int tcp_iter(int netns_fd, int (*fn)(void *arg, const struct tcp_iter_sock *s), void *arg);
/* One of its addresses, allocated; 0 or -ENOMEM. tcp_orphan.c */
int tcp_iter_addr(const struct tcp_iter_sock *s, bool local, ProtobufCBinaryData *ret);
/* What the kernel's timestamps of TCP are made of, now, in ms. */
uint32_t tcp_clock(void);
