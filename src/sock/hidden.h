/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no system call tells of a socket: read by a BPF iterator over the coordinator's own descriptors
 * (iter.h), once for all of them, when the first is asked for. That takes the kernel's type information
 * apart, some 10 ms: only for sockets that may have something to hide.
 */
#pragma once

#include <linux/filter.h>

#include "core/obj.h"

struct hidden {
	int err; /* SO_ERROR, which getsockopt(2) would take away */
	bool held; /* UDP: a datagram is being put together */
	uint64_t group; /* of SO_REUSEPORT: equal for its members; 0 */
	int index; /* the socket's place in it; -1: not known */
	uint32_t prog_id; /* the eBPF program that chooses there; 0 */
	uint16_t n_filter; /* or the classic one: its length; 0 */
	const struct sock_filter *filter; /* NULL: longer than can be read */
};

/* Of @f's socket. -EOPNOTSUPP: not with this kernel. Nothing logs. */
int hidden_of(struct dump *d, const struct file_desc *f, struct hidden *ret);
