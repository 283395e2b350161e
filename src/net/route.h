/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edits without which a dumped routing message cannot be sent back. Pure: for the unit tests.
 * Each builds the request in @q: 0, 1 when it is not to be sent (the kernel makes it by itself, or it
 * is a cache entry), -EBADMSG when it is damaged.
 */
#pragma once

#include "net/rtnl.h"
#include "proto/net.pb-c.h"

#define ROUTE_RAW_MAX 32768 /* bytes of one routing message: what the kernel lists in one piece */

/* Payload of RTM_NEWROUTE. */
int route_edit(const void *data, size_t len, struct rtnl_req *q);
/* It needs other routes to exist first: it goes by a gateway or a nexthop object. */
bool route_has_gateway(const void *data, size_t len);
/*
 * @fn on each gateway of that family by which route @b leaves by link @oif, of all its hops; it may change
 * it. > 0 if one call said so, the first error, or 0. The other one: of a nexthop object.
 */
typedef int (*gateway_fn)(void *arg, uint8_t *gateway);
int route_gateways(const ProtobufCBinaryData *b, uint32_t oif, int family, gateway_fn fn, void *arg);
int nexthop_gateway(const ProtobufCBinaryData *b, uint32_t oif, int family, gateway_fn fn, void *arg);
/* Hops of a multipath route that equal one before them, but for their weight, are taken out. */
void route_merge_hops(ProtobufCBinaryData *b);
/* The kernel's own IPv6 route to @prefix/@len on the link @oif is taken out. */
void route_drop_network(NetEntry *net, const uint8_t *prefix, uint32_t len, uint32_t oif);
/* The link of @b, if it is the kernel's own IPv6 route @prefix/@len; 0 if it is another one. */
uint32_t route_of_kernel(const ProtobufCBinaryData *b, const uint8_t *prefix, uint8_t len);
/* It goes by the link @oif and no other. */
bool route_only_by(const ProtobufCBinaryData *b, uint32_t oif);
/* The link it goes by becomes @oif. */
void route_set_oif(ProtobufCBinaryData *b, uint32_t oif);
/* Payload of RTM_NEWNEXTHOP. */
int nexthop_edit(const void *data, size_t len, struct rtnl_req *q);
bool nexthop_is_group(const void *data, size_t len);
/* Payload of RTM_NEWRULE. */
int rule_edit(const void *data, size_t len, struct rtnl_req *q);
/* Its range of user ids, in the message; NULL: it has none. */
struct fib_rule_uid_range *rule_uids(const void *data, size_t len);
/* Payload of RTM_NEWNEIGH. */
int neighbour_edit(const void *data, size_t len, struct rtnl_req *q);
