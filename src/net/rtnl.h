/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink(7) in one network namespace, on libmnl.
 *
 * Errors: negative errno. Nothing logs; what the kernel said besides the number (extended
 * acknowledgement, Documentation/userspace-api/netlink) is in ->why after a failed request.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/util.h"

struct rtnl {
	int fd;
	uint32_t seq;
	char why[128]; /* of the last failed request, "" if the kernel gave no text */
};

/* A request under construction: mnl_attr_put*() on ->h. Made by rtnl_begin(), bounded by RTNL_REQ_MAX. */
#define RTNL_REQ_MAX 36864
struct rtnl_req {
	struct nlmsghdr h;
	char room[RTNL_REQ_MAX];
};

/* Messages the kernel sent; freed by rtnl_msgs_done(). Zeroed is empty. */
struct rtnl_msgs {
	struct nlmsghdr **v;
	size_t n;
};

/* In the namespace @netns_fd; -1: our own. */
int rtnl_open(int netns_fd, struct rtnl *ret);
/* The same on another netlink protocol (NETLINK_NETFILTER ...): requests and answers work alike. */
int rtnl_open_protocol(int netns_fd, int protocol, struct rtnl *ret);
void rtnl_close(struct rtnl *rt); /* of one that was never opened (fd -1) too */
#define _cleanup_rtnl_ _cleanup_(rtnl_close)

/* Begin @q with the family header @fam of @len bytes (struct ifinfomsg, rtmsg ...). */
void rtnl_begin(struct rtnl_req *q, uint16_t type, uint16_t flags, const void *fam, size_t len);
/* Append raw bytes that are attributes already; -E2BIG. */
int rtnl_put_raw(struct rtnl_req *q, const void *data, size_t len);
/* As mnl_attr_put(), but -E2BIG when the request is full. */
int rtnl_put(struct rtnl_req *q, uint16_t type, const void *data, size_t len);
int rtnl_put_str(struct rtnl_req *q, uint16_t type, const char *text);
/* Send and wait for the acknowledgement. */
int rtnl_do(struct rtnl *rt, struct rtnl_req *q);
/* Send a request that has one answer; *@ret is malloc()ed. */
int rtnl_get(struct rtnl *rt, struct rtnl_req *q, struct nlmsghdr **ret);
/* All objects of @q; begun again by itself when they changed meanwhile (NLM_F_DUMP_INTR). */
int rtnl_list(struct rtnl *rt, struct rtnl_req *q, struct rtnl_msgs *ret);
/* The same for the usual request: @type with only a family. */
int rtnl_list_family(struct rtnl *rt, uint16_t type, uint8_t family, size_t fam_len, struct rtnl_msgs *ret);
void rtnl_msgs_done(struct rtnl_msgs *m);
#define _cleanup_rtnl_msgs_ _cleanup_(rtnl_msgs_done)

/*
 * The attributes of @h after a family header of @fam_len bytes as a table by type (those up to
 * @max), NULL where there is none. Lengths are checked, contents are not: use rtnl_u32() and kin.
 */
int rtnl_attrs(const struct nlmsghdr *h, size_t fam_len, const struct nlattr **tb, unsigned int max);
int rtnl_attrs_raw(const void *data, size_t len, const struct nlattr **tb, unsigned int max);
/* The value of an attribute, @def when it is absent or too short. */
uint32_t rtnl_u32(const struct nlattr *a, uint32_t def);
uint8_t rtnl_u8(const struct nlattr *a, uint8_t def);
/* The text of an attribute, NULL when it is absent or not NUL-terminated. */
const char *rtnl_str(const struct nlattr *a);

/* A link by name (index 0) or index (name NULL): its RTM_NEWLINK message, -ENODEV. */
int rtnl_link(struct rtnl *rt, const char *name, uint32_t index, struct nlmsghdr **ret);
