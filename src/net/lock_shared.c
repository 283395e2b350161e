/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network lock where processes share the coordinator's own namespace (lxc.net.0.type = none, trees
 * without a network namespace): of the tree's TCP connections alone, with --tcp-established. What has
 * no connection (datagrams, listening ports of processes that are gone) is answered by the host.
 *
 * A committed dump that stops the processes hands the connections on to a table that outlives it,
 * called by the image: its peers are met with silence, as by a cable that was pulled, until a restore
 * of this image here, or until TCP would have given up (--lock-timeout).
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "image/image.h"
#include "net/link.h"
#include "sock/shared.h"

#define ID_MAX sizeof(((struct dump_fate *)0)->held)

/* Of the image @img: when it was dumped, and what. */
static const char *hold_id(const struct image *img, char buf[ID_MAX])
{
	const InventoryEntry *inv = image_inventory(img);

	snprintf(buf, ID_MAX, "%" PRIx64 "-%" PRIx32, inv ? inv->realtime_ns : 0, inv ? inv->root_pid : 0);
	return buf;
}

static int lock_conns(struct netlock *l)
{
	int err;

	l->n_sorted = l->conns.n;
	if (!l->conns.n && !l->conns.n_ports)
		return 0;
	err = netlock_open_conns(&l->conns, &l->shared);
	return err < 0 ? log_errno(err,
				   "lock %zu TCP connections of the host's network namespace (nftables); "
				   "--network-lock skip goes without",
				   l->conns.n)
		       : 0;
}

int lock_shared_dump(struct dump *d, struct netlock *l)
{
	int err = d->opt->tcp_established ? shared_dump(d, &l->conns) : 0;

	return err < 0 ? err : lock_conns(l);
}

int lock_shared_restore(struct restore *r, struct netlock *l)
{
	int err = r->opt->tcp_close ? 0 : shared_image(r, &l->conns);

	return err < 0 ? err : lock_conns(l);
}

void lock_shared_done(struct netlock *l)
{
	netlock_close(TAKE_PTR(l->shared));
	netlock_conns_done(&l->conns);
}

static bool is_locked(const struct netlock *l, const struct netlock_conn *c)
{
	size_t low = 0, high = l->n_sorted;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = memcmp(&l->conns.v[mid], c, sizeof(*c));

		if (order == 0)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

int net_lock_conn(struct dump *d, const struct netlock_conn *c)
{
	struct netlock *l = d->net;
	int err = 0;

	if (!l || d->opt->netlock == NETLOCK_SKIP || is_locked(l, c))
		return 0;
	if (!GROW(l->conns.v, l->conns.n))
		return log_oom();
	l->conns.v[l->conns.n++] = *c;
	if (l->shared)
		err = netlock_add(l->shared, c, 1);
	else
		return lock_conns(l);
	return err < 0 ? log_errno(err, "lock a TCP connection (nftables)") : 0;
}

int net_hold(struct dump *d)
{
	char id[ID_MAX];
	int err;

	if (!d->net || !d->net->shared)
		return 0;
	(void)netlock_sweep(); /* others'; that they are still there harms nobody */
	if (!d->net->conns.n)
		return 0;
	hold_id(d->img, id);
	snprintf(d->fate->held, sizeof(d->fate->held), "%s", id);
	err = netlock_hold(id, &d->net->conns, d->opt->lock_timeout);
	if (err < 0)
		log_warn("the peers of %zu TCP connections will see them reset (nftables: %s)",
			 d->net->conns.n, strerror(-err));
	return err;
}

static bool has_shared_conn(const struct restore *r)
{
	struct netlock_conns c = { 0 };
	bool any = shared_image(r, &c) < 0 || c.n;

	netlock_conns_done(&c);
	return any;
}

int net_unhold(struct restore *r)
{
	char id[ID_MAX];
	int err;

	if (!has_shared_conn(r))
		return 0;
	(void)netlock_sweep();
	err = netlock_unhold(hold_id(r->img, id));
	if (err < 0)
		log_warn("table " NETLOCK_HOLD
			 "%s of nftables cannot be removed (%s): nft delete table inet " NETLOCK_HOLD "%s",
			 id, strerror(-err), id);
	return err;
}
