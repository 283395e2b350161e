/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of conntrack.c; conntrack_dump() and conntrack_restore() are in link.h. */
#pragma once

#include "net/rtnl.h"

/*
 * The request that makes the entry again whose IPCTNL_MSG_CT_NEW payload this is: 0, 1 when it is not
 * worth it (dying, translated ICMP), -EBADMSG.
 */
int conntrack_edit(const void *data, size_t len, struct rtnl_req *q);

/* conntrack_exp.c: through @nl, a socket in the namespace. */
struct net_dump;
struct rnet;
int expectations_dump(struct net_dump *n, struct rtnl *nl);
int expectations_restore(struct rnet *n, struct rtnl *nl);
