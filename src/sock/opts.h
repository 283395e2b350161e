/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options every socket has, as a table: level, name, size, when. A dump keeps the values that
 * getsockopt(2) shows; restore sets those that differ from a fresh socket's. See socket(7), ip(7),
 * ipv6(7), tcp(7), udp(7), netlink(7), packet(7).
 */
#pragma once

#include "core/obj.h"
#include "proto/sockopts.pb-c.h"

/* Allocate @f's SockEntry: domain, type, protocol, namespace, owner, options, filter. */
int opts_dump(struct dump *d, const struct file_desc *f, SockEntry **ret);
/* Forget an option that means something else in this socket's state. */
void opts_drop(SockEntry *s, uint32_t level, uint32_t name);
/* Another one, which getsockopt(2) does not show as such; -ENOMEM. */
int opts_add_int(SockEntry *s, uint32_t level, uint32_t name, int value);
/* A loaded entry is sane: 0 or -EBADMSG, logged with the name of @file. */
int opts_check(const FileEntry *file, const SockEntry *s);
/* What must be set before bind(2). */
int opts_restore_early(const FileEntry *file, const SockEntry *s, int fd);
/* SO_REUSEADDR alone, which leaving repair mode clears. */
int opts_restore_reuse(const FileEntry *file, const SockEntry *s, int fd);
/* The sizes of the buffers alone; also part of the late ones. */
int opts_restore_buffers(const FileEntry *file, const SockEntry *s, int fd);
/* The rest, once the queues are filled: buffers, filters, timeouts, owner. */
int opts_restore_late(struct restore *r, const FileEntry *file, const SockEntry *s, int fd);
