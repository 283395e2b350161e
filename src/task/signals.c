/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signal actions (shared by a process), the alternate stack of each thread, queued signals with their
 * siginfo (read by task_peek()). A queue is given back by rt_sigqueueinfo(2) from the task to itself:
 * the kernel lets a task send itself any si_code.
 */
#include <signal.h>

#include "base/syscalls.h"
#include "task/kinds.h"
#include "task/said.h"

static int add_action(TaskEntry *msg, uint32_t sig, const struct ksigaction *k)
{
	SigactionEntry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	sigaction_entry__init(e);
	e->sig = sig;
	e->handler = k->handler;
	e->flags = k->flags;
	e->restorer = k->restorer;
	e->mask = k->mask;
	if (!GROW(msg->sigactions, msg->n_sigactions)) {
		free(e);
		return -ENOMEM;
	}
	msg->sigactions[msg->n_sigactions++] = e;
	return 0;
}

int signals_dump(struct task *t)
{
	const struct ksigaction *k = t->said->actions;
	int ret = 0;

	for (int i = 0; ret >= 0 && i < N_SIGNALS; i++)
		if (k[i].handler || k[i].flags || k[i].mask)
			ret = add_action(t->msg, i + 1, &k[i]);
	return ret;
}

int signals_dump_thread(struct task_thread *th)
{
	const struct kaltstack *ss = &th->said->altstack;

	if (ss->flags & SS_DISABLE)
		return 0;
	th->msg->has_altstack_sp = th->msg->has_altstack_flags = th->msg->has_altstack_size = true;
	th->msg->altstack_sp = ss->sp;
	th->msg->altstack_flags = (uint32_t)ss->flags & ~(uint32_t)SS_ONSTACK;
	th->msg->altstack_size = ss->size;
	return 0;
}

int signals_restore(struct rtask *t)
{
	struct remote *h = t->hand;

	for (size_t i = 0; i < t->msg->n_sigactions; i++) {
		const SigactionEntry *e = t->msg->sigactions[i];
		struct ksigaction *k = remote_alloc(h, sizeof(*k));

		*k = (struct ksigaction){ e->handler, e->flags, e->restorer, e->mask };
		remote_call(h, SYS_rt_sigaction, e->sig, remote_addr(h, k), 0, 8);
	}
	return remote_run(h);
}

/* Also the addresses the kernel writes to when a thread ends, and rseq. */
int signals_restore_thread(struct rthread *th)
{
	const ThreadEntry *m = th->msg;
	struct remote *h = th->hand;
	struct kaltstack *ss = remote_alloc(h, sizeof(*ss));

	ss->flags = SS_DISABLE;
	if (m->has_altstack_sp) {
		ss->sp = m->altstack_sp;
		ss->flags = (int32_t)m->altstack_flags;
		ss->size = m->altstack_size;
	}
	remote_call(h, SYS_sigaltstack, remote_addr(h, ss), 0);
	remote_call(h, SYS_set_tid_address, m->clear_tid);
	if (m->has_robust_list)
		remote_call(h, SYS_set_robust_list, m->robust_list, m->robust_len);
	if (m->rseq)
		remote_call(h, SYS_rseq, m->rseq->addr, m->rseq->size, 0, m->rseq->sig);
	return remote_run(h);
}

/* Signals that reached us while we were under construction (SIGCHLD of helpers) are not the task's. */
static void drain(struct remote *h)
{
	uint64_t *all = remote_alloc(h, 8), *zero = remote_alloc(h, 16);

	*all = ~0ULL;
	for (int i = 0; i < 32; i++)
		remote_try(h, SYS_rt_sigtimedwait, remote_addr(h, all), 0, remote_addr(h, zero), 8);
}

static int queue_one(struct remote *h, const SiginfoEntry *e, int32_t pid, int32_t tid)
{
	const siginfo_t *info = (const siginfo_t *)e->info.data;
	uint64_t at;

	if (e->info.len != sizeof(siginfo_t))
		return -EBADMSG;
	at = remote_addr(h, remote_copy(h, e->info.data, e->info.len));
	if (tid)
		remote_call(h, SYS_rt_tgsigqueueinfo, pid, tid, info->si_signo, at);
	else
		remote_call(h, SYS_rt_sigqueueinfo, pid, info->si_signo, at);
	if (remote_calls_left(h) > 8 && remote_room(h) > 1024)
		return 0;
	return remote_run(h);
}

int signals_queue(struct rtask *t)
{
	int32_t pid = t->msg->pid;
	int ret;

	drain(t->hand);
	ret = remote_run(t->hand);
	for (size_t i = 0; ret >= 0 && i < t->msg->n_shared_pending; i++)
		ret = queue_one(t->hand, t->msg->shared_pending[i], pid, 0);
	for (size_t k = 0; ret >= 0 && k < t->n_threads; k++) {
		struct rthread *th = &t->threads[k];

		for (size_t i = 0; ret >= 0 && i < th->msg->n_pending; i++)
			ret = queue_one(th->hand, th->msg->pending[i], pid, th->msg->tid);
		if (ret >= 0 && k)
			ret = remote_run(th->hand);
	}
	return ret < 0 ? ret : remote_run(t->hand);
}
