/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix sockets: unix.c dumps, unix_restore.c restores, unix_bind.c puts names into file systems. */
#pragma once

#include "proto/unix.pb-c.h"
#include "sock/sk.h"

#define UNIX_STATE_ESTABLISHED 1
#define UNIX_STATE_CLOSE 7
#define UNIX_STATE_LISTEN 10

/* What sock_diag(7) says of one socket. */
struct unix_info {
	uint32_t ino, state, peer, shutdown;
	uint32_t rqueue, wqueue; /* listening: connections waiting, backlog */
	bool has_peer;
	uint32_t *icons; /* listening: inodes of the clients that wait, in order; 0: closed again */
	size_t n_icons;
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t name_len; /* as UnixEntry.name; 0: unnamed */
};

int unix_info(struct dump *d, const struct file_desc *f, struct unix_info *ret);
void unix_info_done(struct unix_info *i);
/*
 * A listening socket of f's namespace that @fn accepts; 1 with *@ret (the caller's), 0: none.
 */
int unix_find_listener(struct dump *d, const struct file_desc *f,
		       bool (*fn)(const struct unix_info *i, const void *arg), const void *arg,
		       struct unix_info *ret);
/* The length of a name as UnixEntry.name has it: a path ends at its NUL. */
size_t unix_name_len(const char *name, size_t len);
/* "/run/x", "@abstract", "(unnamed)" in a static ring of buffers, for messages. */
const char *unix_name_text(const void *name, size_t len);

/* Queued messages: to u->queue; and back, into the socket that @file is. */
int unix_queue_dump(struct dump *d, const struct file_desc *f, UnixEntry *u);
/* Before: the descriptors in flight in it are descriptions of the dump too. */
int unix_collect(struct dump *d, const struct file_desc *f);
void unix_collect_done(struct sock_table *t);
/* The socket in the image that has this name, among those of @like's namespace and type; 0: none. */
uint32_t unix_find_name(const struct restore *r, const SockEntry *like, const ProtobufCBinaryData *name);
int unix_queue_fill(struct restore *r, const FileEntry *file);

int unix_survey(struct dump *d, const struct file_desc *f);
int unix_deps(struct restore *r, const FileEntry *msg);
struct rtask *unix_maker(struct restore *r, const FileEntry *msg);
int unix_restore(struct restore *r, const FileEntry *msg, struct remote *hand);
int unix_finish(struct restore *r, const FileEntry *msg, int fd);

/* Where a hand has to stand. */
struct unix_at {
	struct remote *hand;
	const FileEntry *file;
	const UnixEntry *u;
	const UnixCredsEntry *creds; /* whose connect(2), listen(2), socketpair(2) it was; NULL: any */
};

/* In a batch: the calls between run with these credentials. */
void unix_creds_begin(struct remote *h, const UnixCredsEntry *c);
void unix_creds_end(struct remote *h, const UnixCredsEntry *c);

/*
 * Bind the hand's descriptor @fd (logs): name, file, owner; sets rec->dir and rec->base, by which
 * others reach it. unix_bind_scratch(): a path name @name that has no file (any more).
 */
int unix_bind(const struct unix_at *at, int fd, struct sock_rec *rec);
int unix_bind_scratch(const struct unix_at *at, const ProtobufCBinaryData *name, int fd,
		      struct sock_rec *rec);
/* Connect the hand's descriptor @fd to what is bound at rec->dir/rec->base, or to the abstract @name. */
int unix_connect(const struct unix_at *at, int fd, const struct sock_rec *rec,
		 const ProtobufCBinaryData *name);
/* The address by which we reach what is bound as @rec says; keeps *@ret_node open for it. */
socklen_t unix_reach(const struct sock_rec *rec, const ProtobufCBinaryData *name, struct sockaddr_un *ret,
		     int *ret_node);
/* An address in @ret for @name; its length. */
socklen_t unix_sockaddr(const void *name, size_t len, struct sockaddr_un *ret);
