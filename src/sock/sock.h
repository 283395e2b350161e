/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets: the kinds, and what the engine has to tell them.
 *
 * TCP connections are read in repair mode, entered and left for each connection at once, so that a
 * coordinator that dies leaves none silent. Only when the image is committed and the tasks are about
 * to be killed are they put into repair mode again (sock_hold()), so that closing them is silent.
 */
#pragma once

#include "core/obj.h"

/* One table row per kind, tried in order. */
extern const struct file_ops *const sock_kinds[];
extern const size_t n_sock_kinds;

/* After the commit, before the kill: TCP connections into repair mode (with --tcp-established). */
int sock_hold(struct dump *d);
/* The dump ends with the tasks going on: out of repair mode, as they were. Fine without sock_hold(). */
int sock_release(struct dump *d);
/* TCP connections without a descriptor: all of the container's network namespaces, network locked. */
int sock_dump_orphans(struct dump *d);
int sock_load(struct restore *r);
/* When the sockets are finished, network still locked. */
int sock_restore_orphans(struct restore *r);
/* When nothing of the networks is to be made any more: what netlink sockets have heard of it is forgotten. */
void sock_drain_netlink(struct restore *r);
/* The same of our own tables, after the unlock. */
void sock_forget_own_news(struct restore *r);
/* After the unlock, before the tasks run: connections that were being made are begun again. */
void sock_connect(struct restore *r);
/*
 * Connections that no program has accepted yet (waiting.c). They are taken out of their listening sockets
 * into the image, by a process that puts them back when we are gone or ask for it (also when there was
 * nothing taken); or lets go of them silently, for good.
 */
int sock_take_waiting(struct dump *d);
void sock_return_waiting(struct dump *d);
void sock_drop_waiting(struct dump *d);
/* Read and check them; when all sockets exist, before any connection leaves repair mode: make them. */
int sock_load_waiting(struct restore *r);
int sock_restore_waiting(struct restore *r);
/* Free d->socks, r->socks. */
void sock_dump_done(struct dump *d);
void sock_restore_done(struct restore *r);
