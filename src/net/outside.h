/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces that are neither the container's nor the host's, in which the other end of a veth or the
 * link below one is: another container's, one of ip-netns(8), a daemon's. Inner header of net/.
 */
#pragma once

#include "net/link.h"

#define NS_OUTSIDE UINT32_MAX /* PeerEntry.ns_id: see OutsideEntry */

/* On dump: one that the container's namespace has an id for. */
struct outside_ns {
	int32_t nsid;
	int fd;
	uint64_t ino;
	char *path; /* where it is mounted; NULL */
	pid_t pid; /* a task in it; 0 where there is a path */
};

/* Where the other end goes on restore. */
struct place {
	int ns_fd; /* the host's is net_store's, others are the place's own */
	struct rtnl *rt;
	char *text; /* "network namespace blue (/run/netns/blue)"; "the host" */
	char *key; /* what was asked for */
};

/* The other end, by what was given or recorded. */
struct wanted_end {
	char name[16], bridge[16]; /* bridge "": none */
	struct place *place;
};

/*
 * The network namespace at @path. -ENOTTY: it is none. A device or a FIFO, which an open would wake, is not
 * opened: images and mount tables may say any path.
 */
int netns_open(const char *path);
/* @l's other end, or the link it lies on, is outside: a warning, if that namespace has no name. */
int outside_survey(struct net_dump *n, const struct link_info *l);
int outside_dump(struct net_dump *n, LinkEntry *m, int32_t nsid);
/* The same of an end on the host that is on no bridge, if there is more to it than the kernel makes itself.
 */
int outside_dump_host(struct net_dump *n, LinkEntry *m);
void outside_dump_done(struct net_dump *n);
/* Settings of an end on the host, by the names of the image; the @i-th, NULL: no more. */
const char *outside_sysctl(size_t i);

/* What an image says of it; NULL: nothing. */
OutsideEntry *outside_entry_of(const struct rnet *n, const LinkEntry *m);
int outside_plan(struct rnet *n);
/* Where @m's other end, or the link below it, is to be: as asked for by external @m->kind, or as recorded. */
int place_of(struct restore *r, struct rnet *n, const LinkEntry *m, struct wanted_end *ret);
/* The id of the place in @n as it was, if it can be had. */
void place_keep_id(struct rnet *n, const struct place *p, const LinkEntry *m);
/* @index there is the other end of @m, which was just made: its settings, and up. */
int outside_made(struct restore *r, struct rnet *n, const LinkEntry *m, const struct wanted_end *w,
		 uint32_t index);
/* The links of @n are up: addresses and routes of what was made there. */
int outside_config(struct restore *r, struct rnet *n);
int outside_finish(struct restore *r);
void places_done(struct net_store *s);
