/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network locks of a run: one for each network namespace of the container (netlock/netlock.h). */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/procfs.h"
#include "net/link.h"

static int lock_error(int err, uint32_t ns_id)
{
	return log_errno(err, "network namespace %u: lock (nftables); --network-lock skip goes without",
			 ns_id);
}

static int lock_one(struct netlock *l, const struct ns *ns, bool skip)
{
	const size_t n = l->n;
	int ret;

	if (!GROW(l->v, n) || !GROW(l->sysctls, n))
		return log_oom();
	l->v[n] = NULL;
	ret = skip ? 0 : netlock_open_ns(ns->fd, &l->v[n]);
	if (ret < 0)
		return lock_error(ret, ns->id);
	l->sysctls[n] = sysctls_begin(ns);
	l->n++;
	return 0;
}

int net_lock_dump(struct dump *d, struct netlock **ret)
{
	struct netlock *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return log_oom();
	for (size_t i = 0; i < d->n_ns && err == 0; i++)
		if (d->ns[i]->kind == NS_NET)
			err = lock_one(l, d->ns[i], d->opt->netlock == NETLOCK_SKIP);
	if (err == 0 && d->opt->netlock != NETLOCK_SKIP)
		err = lock_shared_dump(d, l);
	if (err < 0) {
		net_unlock(l);
		return err;
	}
	d->net = l;
	*ret = l;
	return 0;
}

int net_gate(const struct dump *d, pid_t pid, struct netlock **ret)
{
	_cleanup_close_ int fd = -1;
	struct netlock *l = NULL;
	uint64_t own, its;
	char path[64];
	int err = proc_ns_ino(getpid(), "net", &own);

	*ret = NULL;
	if (err >= 0)
		err = proc_ns_ino(pid, "net", &its);
	if (err < 0 || own == its || d->opt->netlock == NETLOCK_SKIP)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	err = l && GROW(l->v, l->n) && GROW(l->sysctls, l->n) ? netlock_gate_ns(fd, &l->v[0]) : -ENOMEM;
	if (err < 0) {
		net_unlock(l);
		return log_errno(err, "pid %d: hold off new connections", pid);
	}
	l->sysctls[l->n++] = NULL;
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
	if (err == 0)
		err = lock_shared_restore(r, l);
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

size_t net_lock_fds(const struct dump *d, int *fds, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; d->net && i < d->net->n && n < max; i++)
		if (d->net->v[i])
			fds[n++] = netlock_fd(d->net->v[i]);
	if (d->net && d->net->shared && n < max)
		fds[n++] = netlock_fd(d->net->shared);
	return n;
}

void net_unlock(struct netlock *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		netlock_close(l->v[i]);
		sysctls_free(l->sysctls[i]);
	}
	if (l->store)
		net_lock_forget(l->store);
	lock_shared_done(l);
	free(l->v);
	free(l->sysctls);
	free(l);
}
