/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of sockets that share a port (SO_REUSEPORT): their order, and the program that chooses one. */
#pragma once

#include "core/obj.h"
#include "proto/sockopts.pb-c.h"

/* The program cannot be restored: an obstacle. */
int reuse_survey(struct dump *d, const struct file_desc *f);
/* s->reuseport, if the socket is in a group. */
int reuse_dump(struct dump *d, const struct file_desc *f, SockEntry *s);
bool reuse_ok(const ReuseportEntry *e);
/* In a deps(): those before it in its group exist before. */
int reuse_deps(struct restore *r, const FileEntry *msg);
/* The group is complete: its program, or none. Logs. */
int reuse_restore(const FileEntry *msg, const SockEntry *s, int fd);
/* Until then: what comes for the port is for the socket @e of the group of @fd; and its own program again. */
int reuse_choose(const ReuseportEntry *e, int fd);
int reuse_set(const ReuseportEntry *e, int fd);
