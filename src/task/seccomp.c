/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seccomp: strict mode and filter programs (PTRACE_SECCOMP_GET_FILTER, newest first; metadata for
 * their flags). Equal programs are stored once. A filter with a listener (user notification) is
 * refused: its other end is another process. Restore installs them while the tracer suspends them.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "task/kinds.h"

#define GET_FILTER_ 0x420c
#define GET_METADATA_ 0x420d
#define MAX_INSNS 4096
#define MAX_FILTERS 256

struct seccomp_table {
	SeccompFilterEntry **list;
	size_t n;
};

static int table_add(struct seccomp_table *tab, const struct sock_filter *f, size_t len, uint32_t flags,
		     uint32_t *ret)
{
	SeccompFilterEntry *e;

	for (size_t i = 0; i < tab->n; i++)
		if (tab->list[i]->filter.len == len && tab->list[i]->flags == flags &&
		    memcmp(tab->list[i]->filter.data, f, len) == 0) {
			*ret = tab->list[i]->id;
			return 0;
		}
	e = calloc(1, sizeof(*e));
	if (!e || !GROW(tab->list, tab->n)) {
		free(e);
		return -ENOMEM;
	}
	seccomp_filter_entry__init(e);
	tab->list[tab->n++] = e;
	e->id = tab->n;
	e->flags = flags;
	e->filter.data = malloc(len);
	if (!e->filter.data)
		return -ENOMEM;
	memcpy(e->filter.data, f, len);
	e->filter.len = len;
	*ret = e->id;
	return 0;
}

static int dump_filter(struct seccomp_table *tab, pid_t tid, unsigned long index, uint32_t *ret)
{
	struct sock_filter insns[MAX_INSNS];
	struct {
		uint64_t index, flags;
	} meta = { index, 0 };
	long n = ptrace(GET_FILTER_, tid, index, NULL);

	if (n < 0)
		return -errno;
	if (n > MAX_INSNS)
		return -E2BIG;
	if (ptrace(GET_FILTER_, tid, index, insns) < 0 || ptrace(GET_METADATA_, tid, sizeof(meta), &meta) < 0)
		return -errno;
	if (meta.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) {
		log_error("thread %d: seccomp filter with a user notification listener; cannot be restored",
			  tid);
		return -EOPNOTSUPP;
	}
	return table_add(tab, insns, n * sizeof(*insns), (uint32_t)meta.flags & SECCOMP_FILTER_FLAG_LOG, ret);
}

static int dump_thread(struct seccomp_table *tab, struct task_thread *th)
{
	_cleanup_free_ char *status = NULL;
	uint64_t mode = 0, n = 0;
	int ret = proc_read(th->tid, "status", &status);

	if (ret >= 0)
		ret = key_u64(status, "Seccomp", 10, &mode);
	if (ret < 0 || !mode)
		return ret;
	th->msg->has_seccomp_mode = true;
	th->msg->seccomp_mode = (uint32_t)mode;
	if (mode != SECCOMP_MODE_FILTER)
		return 0;
	(void)key_u64(status, "Seccomp_filters", 10, &n);
	if (n > MAX_FILTERS)
		return -E2BIG;
	th->msg->seccomp_filters = calloc(MAX(n, 1), sizeof(uint32_t));
	if (!th->msg->seccomp_filters)
		return -ENOMEM;
	th->msg->n_seccomp_filters = n;
	for (uint64_t i = 0; ret >= 0 && i < n; i++) /* index 0 is the oldest */
		ret = dump_filter(tab, th->tid, i, &th->msg->seccomp_filters[i]);
	return ret;
}

/* Threads are stopped by ptrace; called before the executors run. */
int seccomp_dump(struct dump *d)
{
	struct seccomp_table tab = { 0 };
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		for (size_t k = 0; ret >= 0 && t->state != TASK_ZOMBIE && k < t->n_threads; k++) {
			ret = dump_thread(&tab, &t->threads[k]);
			if (ret < 0)
				log_errno(ret, "pid %d thread %d: seccomp filters", t->pid,
					  t->threads[k].tid);
		}
	}
	if (ret >= 0 && tab.n)
		ret = image_write(d->img, "seccomp", (const ProtobufCMessage *const *)tab.list, tab.n);
	for (size_t i = 0; i < tab.n; i++)
		seccomp_filter_entry__free_unpacked(tab.list[i], NULL);
	free(tab.list);
	return ret;
}

static int install(struct rthread *th, const SeccompFilterEntry *e)
{
	struct remote *h = th->hand;
	struct sock_fprog *prog = remote_alloc(h, sizeof(*prog));

	if (!e->filter.len || e->filter.len % sizeof(struct sock_filter) ||
	    e->filter.len > MAX_INSNS * sizeof(struct sock_filter))
		return -EBADMSG;
	prog->len = (unsigned short)(e->filter.len / sizeof(struct sock_filter));
	prog->filter = (void *)remote_addr(h, remote_copy(h, e->filter.data, e->filter.len));
	remote_call(h, SYS_seccomp, SECCOMP_SET_MODE_FILTER, e->flags & SECCOMP_FILTER_FLAG_LOG,
		    remote_addr(h, prog));
	return remote_run(h);
}

int seccomp_restore(struct restore *r, struct rthread *th)
{
	SeccompFilterEntry **list;
	size_t n;
	int ret;

	if (!th->msg->has_seccomp_mode)
		return 0;
	if (th->msg->seccomp_mode == SECCOMP_MODE_STRICT)
		return (int)remote_syscall(th->hand, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	ret = image_read(r->img, "seccomp", &seccomp_filter_entry__descriptor, (ProtobufCMessage ***)&list,
			 &n);
	if (ret < 0)
		return ret;
	for (size_t i = 0; ret >= 0 && i < th->msg->n_seccomp_filters; i++) {
		uint32_t id = th->msg->seccomp_filters[i];

		ret = id && id <= n && list[id - 1]->id == id ? install(th, list[id - 1]) : -EBADMSG;
	}
	image_messages_free((ProtobufCMessage **)list, n);
	return ret;
}
