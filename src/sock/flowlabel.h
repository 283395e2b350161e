/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv6 flow labels that a socket has leased, IPV6_FLOWLABEL_MGR. */
#pragma once

#include "core/obj.h"
#include "proto/sockopts.pb-c.h"

/* s->labels; that of @remote (an IPv6 address or empty) is taken out where it is none of them. Logs. */
int flowlabel_dump(struct dump *d, const struct file_desc *f, SockEntry *s, ProtobufCBinaryData *remote);
/* The one that the socket @fd sends with, as in sin6_flowinfo; 0. */
uint32_t flowlabel_in_use(int fd);
bool flowlabel_ok(const FlowLabelEntry *e);
/* Before connect(2), which takes a label from the address. Logs. */
int flowlabel_restore(const FileEntry *msg, const SockEntry *s, int fd);
