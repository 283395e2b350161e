/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP in a network namespace that is not the container's but the coordinator's own, shared with the
 * rest of the host: there only the tree's connections are locked (netlock/), one by one.
 */
#pragma once

#include "core/obj.h"
#include "netlock/netlock.h"
#include "proto/tcp.pb-c.h"

/* The connections and listening ports that the tree's descriptors hold there; sorted. */
int shared_dump(struct dump *d, struct netlock_conns *ret);
/* A socket as sock_diag(7) shows it. */
struct inet_diag_msg;
struct netlock_conn shared_conn(const struct inet_diag_msg *m);
/* The same of an image. */
int shared_image(const struct restore *r, struct netlock_conns *ret);
/* Lock the connection @t too, unless it is known already (it came by another way than a descriptor). */
int shared_lock(struct dump *d, const TcpEntry *t);
/* Before anything is made: ports and connections there must be free. */
int shared_plan(const struct restore *r);
