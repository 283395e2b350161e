/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections put into the queue of a listening socket, as if they had just been made: the last segment
 * of the handshake, the data and the FIN of the peer come as packets from the peer's address, with the mark
 * of our network lock; a BPF program has the listening socket take the first for what it is
 * (reqsk_prog.h). What it answers dies in the lock.
 */
#pragma once

#include "proto/waiting.pb-c.h"
#include "base/util.h"

struct reqsk;

/*
 * For the listening sockets of the network namespace of the socket @ns_sock. -EOPNOTSUPP: not with this
 * kernel (before Linux 6.9), or the loopback device there is down. Nothing logs.
 */
int reqsk_open(int ns_sock, struct reqsk **ret);
void reqsk_close(struct reqsk *q);
static inline void reqsk_closep(struct reqsk **q)
{
	reqsk_close(*q);
}
/*
 * Around some reqsk_put(): the namespace's sysctls allow what is needed (tcp_syncookies and others are
 * not 0), and we stay on one CPU; both as before afterwards. Logs.
 */
int reqsk_begin(struct reqsk *q);
void reqsk_end(struct reqsk *q);
/* The connection @e into the queue of @listener, at the end of it; logs. */
int reqsk_put(struct reqsk *q, int listener, const TcpWaitingEntry *e);
/*
 * What a keepalive of the peer's would be, to @e that waits at @listener, the way reqsk_put() sends its
 * segments. Of @e the addresses and sequence numbers are looked at. Nothing logs.
 */
int reqsk_knock(struct reqsk *q, int listener, const TcpWaitingEntry *e);
/* Can a connection in this state be put? */
bool reqsk_state_ok(unsigned int state);
/* The descriptors it has, before any reqsk_put(); -1 among them. */
#define REQSK_FDS 8
size_t reqsk_fds(const struct reqsk *q, int fds[REQSK_FDS]);
