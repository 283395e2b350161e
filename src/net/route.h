/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edits without which a dumped routing message cannot be sent back. Pure: for the unit tests.
 * Each builds the request in @q: 0, 1 when it is not to be sent (the kernel makes it by itself, or it
 * is a cache entry), -EBADMSG when it is damaged.
 */
#pragma once

#include "net/rtnl.h"
#include "proto/net.pb-c.h"

/* Payload of RTM_NEWROUTE. */
int route_edit(const void *data, size_t len, struct rtnl_req *q);
/* It needs other routes to exist first: it goes by a gateway or a nexthop object. */
bool route_has_gateway(const void *data, size_t len);
/* Where route @b by link @oif has its gateway of that family; NULL if it has none, or several. */
uint8_t *route_gateway(const ProtobufCBinaryData *b, uint32_t oif, int family);
/* Where in the image the IPv6 route @prefix/@len of the link @oif comes; SIZE_MAX if it is not there. */
size_t route_rank(const NetEntry *m, const uint8_t *prefix, uint8_t len, uint32_t oif);
/* Payload of RTM_NEWNEXTHOP. */
int nexthop_edit(const void *data, size_t len, struct rtnl_req *q);
bool nexthop_is_group(const void *data, size_t len);
/* Payload of RTM_NEWRULE. */
int rule_edit(const void *data, size_t len, struct rtnl_req *q);
bool rule_has_uids(const void *data, size_t len);
/* Payload of RTM_NEWNEIGH. */
int neighbour_edit(const void *data, size_t len, struct rtnl_req *q);
