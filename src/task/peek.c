/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "task/peek.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "remote/infect.h"

#define PEEK_BATCH 16

static int peek_queue(pid_t tid, bool shared, SiginfoEntry ***list, size_t *n)
{
	struct __ptrace_peeksiginfo_args args = { .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
						  .nr = PEEK_BATCH };
	siginfo_t infos[PEEK_BATCH];

	for (;;) {
		long got = ptrace(PTRACE_PEEKSIGINFO, tid, &args, infos);

		if (got < 0)
			return -errno;
		for (long i = 0; i < got; i++) {
			SiginfoEntry *e = calloc(1, sizeof(*e));

			if (!e)
				return -ENOMEM;
			siginfo_entry__init(e);
			e->info.data = malloc(sizeof(siginfo_t));
			if (!e->info.data || !GROW(*list, *n)) {
				siginfo_entry__free_unpacked(e, NULL);
				return -ENOMEM;
			}
			memcpy(e->info.data, &infos[i], sizeof(siginfo_t));
			e->info.len = sizeof(siginfo_t);
			(*list)[(*n)++] = e;
		}
		args.off += got;
		if (got < PEEK_BATCH)
			return 0;
	}
}

static int peek_rseq(const struct infection *inf, ThreadEntry *msg)
{
	struct {
		uint64_t addr;
		uint32_t size, sig, flags, pad;
	} conf;
	RseqEntry *e;

	if (ptrace(CTCR_PTRACE_GET_RSEQ, inf->tid, sizeof(conf), &conf) < 0 || !conf.addr)
		return 0;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	rseq_entry__init(e);
	e->addr = conf.addr;
	e->size = conf.size;
	e->sig = conf.sig;
	msg->rseq = e;
	return 0;
}

static int bytes_copy(ProtobufCBinaryData *to, const void *data, size_t len)
{
	to->data = malloc(MAX(len, 1));
	if (!to->data)
		return -ENOMEM;
	memcpy(to->data, data, len);
	to->len = len;
	return 0;
}

static int peek_thread(struct task_thread *th)
{
	ThreadEntry *msg = calloc(1, sizeof(*msg));
	int ret;

	if (!msg)
		return -ENOMEM;
	thread_entry__init(msg);
	th->msg = msg;
	ret = bytes_copy(&msg->gpregs, &th->inf->image_regs, sizeof(th->inf->image_regs));
	if (ret >= 0)
		ret = bytes_copy(&msg->xstate, th->inf->xstate, th->inf->xstate_size);
	msg->sigmask = th->inf->sigmask;
	if (ret >= 0)
		ret = peek_queue(th->tid, false, &msg->pending, &msg->n_pending);
	return ret < 0 ? ret : peek_rseq(th->inf, msg);
}

int task_peek(struct task *t)
{
	TaskEntry *msg = calloc(1, sizeof(*msg));
	int ret = 0;

	if (!msg)
		return log_oom();
	task_entry__init(msg);
	t->msg = msg;
	if (t->state == TASK_ZOMBIE)
		return 0;
	/* Before the freeze it may have looked otherwise. */
	t->state = t->threads[0].inf->stop_sig ? TASK_STOPPED : TASK_RUNNING;
	for (size_t i = 0; ret >= 0 && i < t->n_threads; i++)
		ret = peek_thread(&t->threads[i]);
	if (ret >= 0)
		ret = peek_queue(t->pid, true, &msg->shared_pending, &msg->n_shared_pending);
	return ret < 0 ? log_errno(ret, "pid %d: signals and registers", t->pid) : 0;
}
