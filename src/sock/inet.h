/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internet sockets: inet.c datagram and raw, tcp.c and tcp_conn.c streams. */
#pragma once

#include "core/obj.h"
#include "proto/inet.pb-c.h"
#include "proto/orphan.pb-c.h"
#include "proto/tcp.pb-c.h"

/* Both addresses, each if there is one. */
int inet_dump_addrs(const struct file_desc *f, ProtobufCBinaryData *local, protobuf_c_boolean *has_local,
		    ProtobufCBinaryData *remote, protobuf_c_boolean *has_remote);
/* No port, no address. */
bool inet_addr_any(const ProtobufCBinaryData *b);
/* The local address, if --ip changed it, as it is now; whether it did. */
bool inet_follow(const struct restore *r, uint32_t ns_id, const ProtobufCBinaryData *local);
/* bind(2), whoever else has the port; logs. */
int inet_bind(const FileEntry *msg, const ProtobufCBinaryData *local, int fd);

/* inet_raw.c: the remote address of a raw socket, which getpeername(2) hides. */
int inet_raw_remote(const struct file_desc *f, InetEntry *e);

/* mcast.c: multicast groups. */
int mcast_dump(struct dump *d, const struct file_desc *f, InetEntry *e);
bool mcast_ok(const McastEntry *m);
int mcast_restore(const FileEntry *msg, const InetEntry *e, int fd);

/* An IPv4 address in an IPv6 socket is IPv4 on the wire. */
union sk_addr;
void inet_unmap(union sk_addr *a);

/* inet_queue.c: queued datagrams. */
int inet_queue_dump(const struct file_desc *f, InetEntry *e);
int inet_queue_fill(const struct restore *r, const FileEntry *msg, int fd);
bool inet_queue_ok(const InetMsgEntry *m, uint32_t domain);

/* inflight.c: -EAGAIN while the namespace has connections that no descriptor reaches. */
int tcp_in_flight(struct dump *d, const struct file_desc *f, uint32_t ns_id);

/* tcp_conn.c: connections, by TCP_REPAIR. @conn is allocated. */
bool tcp_state_connected(unsigned int state);
int tcp_conn_dump(struct dump *d, const struct file_desc *f, TcpEntry *t);
/* All but what was shut down, into the fresh @c; the socket @fd is in repair mode then, whatever is returned.
 */
int tcp_conn_read(int fd, TcpConnEntry *c);
bool tcp_conn_ok(const TcpConnEntry *c);
/* In repair mode from here ... */
int tcp_conn_restore(const FileEntry *msg, const TcpEntry *t, int fd);
/* ... to here. */
int tcp_conn_finish(const FileEntry *msg, const TcpEntry *t, int fd);
/* Last, when the buffers have their sizes: room in the receive buffer where the window was shut. */
void tcp_conn_room(const TcpConnEntry *c, int fd);
/* Steps of it: what was negotiated, in repair mode; its state. */
int tcp_conn_negotiate(int fd, const TcpConnEntry *c);
unsigned int tcp_conn_state(int fd);

/* Steps of repair mode. @queue: TCP_RECV_QUEUE, TCP_SEND_QUEUE. */
#define TCP_REPAIR_OFF_SILENT (-1)
int tcp_set_int(int fd, int name, int value);
int tcp_set_seq(int fd, int queue, uint32_t seq);
/* Silently; SO_REUSEADDR, which that clears, is @reuse again. */
int tcp_leave_repair(int fd, int reuse);
/*
 * steward.c: @fd is about to enter repair mode, and is taken out of it if we die; until steward_forget() all
 * that were noted are.
 */
int steward_note(struct dump *d, int fd, int reuse);
void steward_forget(struct dump *d);
void steward_done(struct dump *d);
/*
 * In a child that outlived us, which has a copy of @d and of all pidfds: too late to give anything back
 * (struct dump_fate). The rest of the tasks goes too; returns when they are dead.
 */
void steward_finish_kill(const struct dump *d);

/*
 * A segment without data from the peer: @h has flags and numbers, the rest is filled in. The kernel has
 * taken it a moment later.
 */
struct tcphdr;
int tcp_peer_says(const TcpEntry *t, int fd, struct tcphdr *h);

/* tcp_orphan.c: such a connection can be. */
bool tcp_orphan_ok(const TcpOrphanEntry *e);

/* tcp_md5.c: 1 and the first peer that the socket @fd, of inode @ino, has a key for; 0: it has none. */
int tcp_md5_peer(struct dump *d, int fd, ino_t ino, union sk_addr *ret);

/* tcp_ended.c: connections that are over; *@ret NULL: there is nothing left to be read. */
int tcp_ended_dump(struct dump *d, const struct file_desc *f, TcpEndedEntry **ret);
int tcp_ended_restore(struct restore *r, const FileEntry *msg, int fd, struct remote *hand);

/* tcp_connect.c: connections being made. @connecting is allocated. */
int tcp_connecting_dump(struct dump *d, const struct file_desc *f, TcpEntry *t);
/* In repair mode from here ... */
int tcp_connecting_restore(struct restore *r, const FileEntry *msg, int fd);
/* ... to here; connect(2) itself is called by sock_connect(). */
int tcp_connecting_finish(struct restore *r, const FileEntry *msg, int fd);
/* connect(2) to t->remote, whose SYN does not get out of the lock and is answered by us with a reset. */
int tcp_connect_refused(const TcpEntry *t, int fd, uint32_t isn);
