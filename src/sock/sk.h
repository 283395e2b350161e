/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the socket kinds share: numbers glibc 2.36 lacks, small questions, sock_diag(7). */
#pragma once

#include <asm/socket.h>
#include <netinet/in.h>
#include <protobuf-c/protobuf-c.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/map.h"
#include "core/obj.h"

/* include/uapi/asm-generic/socket.h, linux/in.h, linux/udp.h, linux/icmp.h, linux/if_packet.h of 6.18 */
#define SK_SO_PASSPIDFD 76
#define SK_SO_PASSRIGHTS 83
#define SK_SO_RESERVE_MEM 73
#define SK_SO_RCVPRIORITY 82
#define SK_TCP_RTO_MAX_MS 44
#define SK_TCP_RTO_MIN_US 45
#define SK_TCP_DELACK_MAX_US 46
#define SK_IP_LOCAL_PORT_RANGE 51
#define SK_IP_RECVERR_RFC4884 26
#define SK_UDPLITE_SEND_CSCOV 10
#define SK_UDPLITE_RECV_CSCOV 11
#define SK_ICMP_FILTER 1
#define SK_ICMPV6_FILTER 1
#define SK_PACKET_COPY_THRESH 7
#define SK_PACKET_IGNORE_OUTGOING 23
#define SK_PACKET_VNET_HDR_SZ 24

union sk_addr {
	struct sockaddr sa;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* d->socks: sockets for sock_diag, one per network namespace. */
struct sock_table {
	struct map diag; /* namespace inode to fd + 1 */
	uint64_t own_ns; /* of the coordinator */
	struct map inodes; /* survey: socket inodes the tree holds */
	bool deferred; /* there are requests whose clients have answered: deferred.c */
	struct map asked; /* network namespaces whose connections on their way were counted */
	struct map connecting; /* socket inode to its struct inet_diag_sockid, malloc()ed */
	struct map md5; /* socket inode to the union sk_addr of its first TCP_MD5SIG key, malloc()ed */
	struct map md5_asked; /* sockets for sock_diag by which they were looked for */
	struct map labels; /* network namespace to the text of its leased IPv6 flow labels */
	struct map hidden; /* socket inode to what hidden.c keeps, malloc()ed */
	bool hidden_asked;
	int hidden_err; /* why there is nothing */
	struct map groups; /* of SO_REUSEPORT: kernel's group to the number it has in the image */
	bool groups_said; /* that they are not shown */
	struct map queues; /* file id to the UnixEntry that keeps its queue */
	struct steward {
		pid_t pid; /* 0: not needed yet */
		int pipe; /* it waits for its end */
		struct steward_note *note;
	} steward;
	struct tcp_held {
		int fd; /* of the struct file_desc */
		int reuse; /* its SO_REUSEADDR, which leaving repair mode clears */
		bool held;
	} * tcp; /* connections that were dumped */
	size_t n_tcp;
	struct waiting *waiting; /* waiting.c: listening sockets with connections nobody has accepted */
};

/* r->socks: by-products of one restore() that another needs, by file id. */
struct sock_store {
	struct map recs; /* file id to struct sock_rec */
	struct sock_connecting {
		const FileEntry *msg;
		int fd; /* borrowed of file/ */
	} * connecting; /* connect(2) when the network is open again */
	size_t n_connecting;
	struct sock_member {
		uint64_t place; /* group and index */
		uint32_t id;
	} * members; /* of groups of SO_REUSEPORT, in order */
	size_t n_members;
	ProtobufCMessage **orphans; /* TcpOrphansEntry of each network namespace */
	size_t n_orphans;
	ProtobufCMessage **waiting; /* TcpWaitingEntry */
	size_t n_waiting;
};

struct sock_rec {
	int fd; /* made already: the other end of a pair, an accepted connection; -1 */
	int dir; /* path names: O_PATH descriptor of the directory the file is in; -1 */
	char *base; /* its name there */
	struct sock_sender {
		const ProtobufCBinaryData *name; /* borrowed from the message */
		int fd;
	} * senders; /* of queued messages, when they are not in the image */
	size_t n_senders;
	bool filled;
};

struct sock_table *sk_table(struct dump *d);
struct sock_store *sk_store(struct restore *r);
struct sock_rec *sk_rec(struct restore *r, uint32_t id);

/* Is it a socket of @domain (and of @type, @protocol unless -1)? Works in the survey too. */
bool sk_is(const struct file_desc *f, int domain, int type, int protocol);
/*
 * A descriptor of @f: f->fd, or in the survey one of our own, put in *@ret_own for _cleanup_close_.
 */
int sk_borrow(const struct file_desc *f, int *ret_own);
/* An integer option, or negative errno (options that can be negative themselves: use getsockopt). */
int sk_int(int fd, int level, int name);
/* A copy of @len bytes; 0 or -ENOMEM. */
int sk_set_bytes(ProtobufCBinaryData *b, const void *data, size_t len);
/* The ids of the dumped root's user namespace; 65534 when it has none for it. */
uint32_t sk_id_inside(struct dump *d, const char *map, uint32_t host);
uint32_t sk_id_outside(struct restore *r, const char *map, uint32_t id);
/* The task at dump time whose process is @pid (in our pid namespace); TaskEntry.id, 0 if none. */
uint32_t sk_task_id(struct dump *d, pid_t pid);
/* Add the inodes of all sockets that are descriptors of the tree, as keys; 0 or -ENOMEM. */
int sk_inodes(struct dump *d, struct map *ret);
/* Survey: does any task hold the socket @ino? As of a moment ago. */
bool sk_held(struct dump *d, ino_t ino);
/* The process on this machine that holds the socket @ino; 0: none does, as when it is in flight. */
pid_t sk_holder(ino_t ino);
/* The network namespace of the socket itself: its id; refused when it is not the container's. */
int sk_net_ns(struct dump *d, const struct file_desc *f, uint32_t *ret_id);
/* A hand in the socket's network namespace: a maker(). */
struct rtask *sk_maker(struct restore *r, uint32_t net_ns_id);
/* socket(2) by the hand, taken; logs. */
int sk_make(const FileEntry *file, const SockEntry *s, struct remote *hand);
/* A raw local or remote address, checked: family and length. */
bool sk_inet_addr_ok(const ProtobufCBinaryData *b, uint32_t domain);
/* getsockname/getpeername as bytes; absent (0) when there is none. */
int sk_dump_addr(int fd, bool peer, ProtobufCBinaryData *ret);
/* The address without its port. */
const char *sk_ip_text(const union sk_addr *a);
/* "10.0.0.1:80", "[::1]:80" in a static ring of buffers, for messages. */
const char *sk_addr_text(const void *addr, size_t len);

/* One sock_diag request about the namespace of our socket @fd; @fn sees each message of the answer. */
typedef int (*sk_diag_fn)(void *arg, const void *payload, size_t len);
int sk_diag(struct dump *d, int fd, const void *req, size_t len, bool dump, sk_diag_fn fn, void *arg);
/* The same by a socket of ours; the one for the namespace @nsfd, or that of the socket @fd, borrowed. */
int sk_diag_on(int sock, const void *req, size_t len, bool dump, sk_diag_fn fn, void *arg);
int sk_diag_ns(struct dump *d, int nsfd);
int sk_diag_of(struct dump *d, int fd);
/* All TCP sockets in one of @states, with the attributes @ext (bits both). */
int sk_diag_tcp(int sock, unsigned int states, uint8_t ext, sk_diag_fn fn, void *arg);

/* Warn if @what ("packets") waits in @f to be read, and will be lost. */
void sk_warn_queue(const struct file_desc *f, const char *what);

/*
 * Walk the queued messages of @fd without taking them. @fn may keep descriptors found in the control
 * data by overwriting them with -1; the others are closed.
 */
typedef int (*sk_queue_fn)(void *arg, struct msghdr *m, size_t len);
int sk_queue_walk(int fd, bool stream, sk_queue_fn fn, void *arg);
/* The first @len bytes of a stream's queue, not taken, wherever its SO_PEEK_OFF is; how many, or negative
 * errno. */
ssize_t sk_peek(int fd, void *buf, size_t len);
/* SO_PEEK_OFF; negative: there is none. */
int sk_peek_off(int fd);
