/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet with any source address, delivered inside a network namespace: raw(7) with IP_HDRINCL.
 * It carries the mark of our network lock, so that it passes.
 */
#pragma once

#include "sock/sk.h"

struct rawip_udp {
	union sk_addr from, to; /* with ports */
	uint8_t tos, ttl;
	const void *data;
	size_t len;
};

/* A datagram by a socket of rawip_open(). */
int rawip_send_udp(int fd, const struct rawip_udp *u);
/*
 * Send the TCP packet @data (ports are taken from it; the checksum is filled in) in the namespace of the
 * socket @ns_sock.
 */
int rawip_send_tcp(int ns_sock, const union sk_addr *from, const union sk_addr *to, void *data, size_t len);
/* The same for many packets: the socket, and a packet by it. */
int rawip_open(int ns_sock, int domain);
int rawip_send_tcp_on(int fd, const union sk_addr *from, const union sk_addr *to, void *data, size_t len);
