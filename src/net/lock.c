/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network locks of a run: one for each network namespace of the container (netlock/netlock.h). */
#include "base/log.h"
#include "net/link.h"
#include "netlock/netlock.h"

struct netlock {
	struct netlock_ns **v; /* dump: all; restore: the namespaces keep theirs */
	size_t n;
	struct net_store *store;
};

static int lock_error(int err, uint32_t ns_id)
{
	return log_errno(err, "network namespace %u: lock (nftables); --network-lock skip goes without",
			 ns_id);
}

int net_lock_dump(struct dump *d, struct netlock **ret)
{
	struct netlock *l;

	if (d->opt->netlock == NETLOCK_SKIP) {
		*ret = NULL;
		return 0;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return log_oom();
	for (size_t i = 0; i < d->n_ns; i++) {
		int err;

		if (d->ns[i]->kind != NS_NET)
			continue;
		err = GROW(l->v, l->n) ? netlock_open_ns(d->ns[i]->fd, &l->v[l->n]) : -ENOMEM;
		if (err < 0) {
			net_unlock(l);
			return lock_error(err, d->ns[i]->id);
		}
		l->n++;
	}
	*ret = l;
	return 0;
}

int rnet_lock(struct restore *r, struct rnet *n)
{
	int ret;

	if (!r->net->lock || n->lock)
		return 0;
	ret = netlock_open_ns(n->ns_fd, &n->lock);
	return ret < 0 ? lock_error(ret, n->msg->ns_id) : 0;
}

int net_lock_restore(struct restore *r, struct netlock **ret)
{
	struct netlock *l;
	int err = 0;

	if (r->opt->netlock == NETLOCK_SKIP || !r->net) {
		*ret = NULL;
		return 0;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return log_oom();
	l->store = r->net;
	r->net->lock = true;
	r->net->handle = l;
	for (size_t i = 0; i < r->n_tasks && err == 0; i++) {
		struct rnet *n = r->tasks[i].pid > 0 ? rnet_enter(r, &r->tasks[i], &err) : NULL;

		if (n && err == 0)
			err = rnet_lock(r, n);
	}
	if (err < 0) {
		net_unlock(l);
		return err;
	}
	*ret = l;
	return 0;
}

void net_lock_forget(struct net_store *s)
{
	for (size_t i = 0; i < s->n_nets; i++)
		netlock_close(TAKE_PTR(s->nets[i].lock));
	s->lock = false;
	if (s->handle)
		s->handle->store = NULL;
	s->handle = NULL;
}

void net_unlock(struct netlock *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		netlock_close(l->v[i]);
	if (l->store)
		net_lock_forget(l->store);
	free(l->v);
	free(l);
}
