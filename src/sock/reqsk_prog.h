/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF program that makes a listening socket take a segment for the end of a handshake: bpf(2),
 * bpf_sk_assign_tcp_reqsk() of net/core/filter.c (Linux 6.9 and newer). It looks at packets with the
 * mark of our network lock only. Nothing logs.
 */
#pragma once

#include "base/util.h"

/* struct bpf_tcp_req_attrs of include/net/tcp.h, 6.18 */
struct reqsk_attrs {
	uint32_t rcv_tsval, rcv_tsecr;
	uint16_t mss;
	uint8_t rcv_wscale, snd_wscale;
	uint8_t ecn_ok, wscale_ok, sack_ok, tstamp_ok, usec_ts_ok;
	uint8_t reserved[3];
};

/* The one element of the array map: what the program is to do with marked packets. */
struct reqsk_order {
	uint32_t link; /* they are to arrive by the link of this index; 0: as they come */
	uint32_t armed; /* the segment below belongs to a new connection */
	uint32_t header; /* where the TCP header begins, from that of IP on */
	uint32_t segment[3]; /* its first bytes: ports, sequence number, acknowledgement */
	int32_t result; /* by the program: 1 not seen yet, 0, or a negative errno */
	struct reqsk_attrs attrs;
};

struct reqsk_prog {
	int prog, order, listener; /* descriptors: the program, an array map, a map of one socket */
};

/* -EOPNOTSUPP: the kernel has no such function. */
int reqsk_prog_load(struct reqsk_prog *ret);
void reqsk_prog_done(struct reqsk_prog *p);
int reqsk_prog_order(const struct reqsk_prog *p, const struct reqsk_order *order);
int reqsk_prog_result(const struct reqsk_prog *p);
int reqsk_prog_listener(const struct reqsk_prog *p, int listener);
/*
 * At the ingress of link @index of the caller's network namespace, before others: a descriptor, with
 * whose closing it is gone.
 */
int reqsk_prog_attach(const struct reqsk_prog *p, uint32_t index);
