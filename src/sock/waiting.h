/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that wait to be accepted; what the engine is to call is in sock/sock.h. */
#pragma once

#include "core/obj.h"
#include "proto/waiting.pb-c.h"

struct sock_table;
struct reqsk;

/* d->socks->waiting */
struct waiting {
	struct waiting_at {
		uint32_t file_id;
		int fd; /* of the struct file_desc */
		struct reqsk *q; /* of its namespace, borrowed */
		ReuseportEntry *group; /* its place in a group with a program; NULL */
	} * sockets; /* that listen */
	size_t n_sockets;
	struct waiting_ns {
		uint32_t id;
		struct reqsk *q;
	} * spaces;
	size_t n_spaces;
	struct usher *usher;
	TcpWaitingEntry **deferred; /* deferred.c */
	size_t n_deferred;
};

/*
 * Connections wait at the listening socket @f: they are to be taken. -EAGAIN: they cannot be, it must
 * accept them first; -EBUSY: the same, as a packet filter would not let them back.
 */
int waiting_note(struct dump *d, const struct file_desc *f, const SockEntry *s);
/* waiting_knock.c: -EBUSY if a packet filter drops what puts those at @f back. Nothing logs. */
int waiting_knock(struct dump *d, const struct file_desc *f, struct reqsk *q);
void waiting_done(struct sock_table *t);
/* "10.0.3.1:4711, 10.0.3.1:4712 ...": who waits there; in a static buffer. */
const char *waiting_peers(struct dump *d, int fd);

/*
 * usher.c: a process of its own that has accepted what waits, holds it in repair mode, and puts it back
 * when it is told to or when the end of its socket comes, holding the network lock until then.
 */
struct usher;

/* @keep: @n_keep more descriptors it is to hold, besides those of the tasks. */
int usher_start(const struct dump *d, const struct waiting *w, const int *keep, size_t n_keep,
		struct usher **ret);
/* The next connection it took; *@ret NULL: that was the last. */
int usher_next(struct usher *u, TcpWaitingEntry **ret);
/* Everything back (@back), or closed silently. It has ended then; frees. */
int usher_end(struct usher *u, bool back);

/*
 * deferred.c: requests whose client has answered, that are connections for it. How many the namespace of the
 * socket @ns_sock has; and those at the listening socket @f into w->deferred.
 */
size_t deferred_count(int ns_sock);
int deferred_note(struct waiting *w, const struct file_desc *f);
