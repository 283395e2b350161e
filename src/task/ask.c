/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only the threads themselves can say, asked of all at once: one batch in each task, one step after the
 * other in all other threads. What wakes a task and is woken by it is so not waited for question by question.
 */
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "remote/infect.h"
#include "task/said.h"
#include "task/task.h"

#define BUF_BELOW_HOME 1024
#define BUF_MAX 64

/* A question to each thread: the result of the call, or what it writes to the buffer that is argument @arg.
 */
struct question {
	long nr;
	uint64_t args[6];
	int arg; /* -1: the result, negative where it fails; other questions must not */
	size_t offset, len; /* of the answer in struct thread_said */
};

#define MEMBER(m) offsetof(struct thread_said, m), sizeof(((struct thread_said *)0)->m)
static const struct question questions[] = {
	{ SYS_prctl, { PR_GET_SECUREBITS }, -1, MEMBER(securebits) },
	{ SYS_prctl, { PR_MCE_KILL_GET }, -1, MEMBER(mce_kill) },
	{ SYS_prctl, { PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS }, -1, MEMBER(store_bypass) },
	{ SYS_prctl, { PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH }, -1, MEMBER(indirect_branch) },
	{ SYS_prctl, { PR_GET_TSC }, 1, MEMBER(tsc) },
	{ SYS_prctl, { CTCR_PR_GET_TID_ADDRESS }, 1, MEMBER(tid_address) },
	{ SYS_prctl, { PR_GET_PDEATHSIG }, 1, MEMBER(pdeath_sig) },
	{ SYS_sigaltstack, { 0 }, 1, MEMBER(altstack) },
};

/* The batch of one task: where its answers will be. */
struct batch {
	const struct remote_call *calls[ARRAY_SIZE(questions)], *dumpable, *thp, *personality;
	const void *bufs[ARRAY_SIZE(questions)];
	const struct ksigaction *actions;
	const struct itimerval *itimers;
	const uint32_t *subreaper;
};

static void ask_leader(struct remote *h, struct batch *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const struct question *q = &questions[i];
		uint64_t args[6];

		memcpy(args, q->args, sizeof(args));
		if (q->arg >= 0) {
			b->bufs[i] = remote_alloc(h, q->len);
			args[q->arg] = remote_addr(h, b->bufs[i]);
			b->calls[i] = remote_call_(h, q->nr, args, 6);
		} else {
			b->calls[i] = remote_may_fail(remote_call_(h, q->nr, args, 6));
		}
	}
}

static void ask_process(struct remote *h, struct batch *b)
{
	struct ksigaction *k = remote_alloc(h, N_SIGNALS * sizeof(*k));
	struct itimerval *v = remote_alloc(h, N_ITIMERS * sizeof(*v));

	b->actions = k;
	b->itimers = v;
	b->subreaper = remote_alloc(h, sizeof(*b->subreaper));
	for (int sig = 1; sig <= N_SIGNALS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			remote_call(h, SYS_rt_sigaction, sig, 0, remote_addr(h, &k[sig - 1]), 8);
	for (int i = 0; i < N_ITIMERS; i++)
		remote_call(h, SYS_getitimer, i, remote_addr(h, &v[i]));
	b->dumpable = remote_try(h, SYS_prctl, PR_GET_DUMPABLE);
	b->thp = remote_try(h, SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	b->personality = remote_call(h, SYS_personality, 0xffffffff);
	remote_call(h, SYS_prctl, PR_GET_CHILD_SUBREAPER, remote_addr(h, b->subreaper));
}

static void note(struct thread_said *s, const struct question *q, const void *buf, long result)
{
	memcpy((char *)s + q->offset, q->arg < 0 ? &result : buf, q->len);
}

static void note_task(struct task *t, const struct batch *b)
{
	struct task_said *s = t->said;

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		note(t->threads[0].said, &questions[i], b->bufs[i], b->calls[i]->ret);
	memcpy(s->actions, b->actions, sizeof(s->actions));
	memcpy(s->itimers, b->itimers, sizeof(s->itimers));
	s->dumpable = b->dumpable->ret;
	s->thp_disable = b->thp->ret;
	s->personality = b->personality->ret;
	s->subreaper = *b->subreaper;
}

static int ask_tasks(struct dump *d)
{
	_cleanup_free_ struct batch *b = calloc(d->n_tasks + 1, sizeof(*b));
	_cleanup_free_ struct remote **hands = calloc(d->n_tasks + 1, sizeof(*hands));
	size_t which;
	int ret;

	if (!b || !hands)
		return log_oom();
	for (size_t i = 0; i < d->n_tasks; i++) {
		hands[i] = d->tasks[i]->hand;
		if (!hands[i])
			continue;
		ask_leader(hands[i], &b[i]);
		ask_process(hands[i], &b[i]);
	}
	ret = remote_run_all(hands, d->n_tasks, &which);
	if (ret < 0)
		return log_errno(ret, "pid %d: state", d->tasks[which]->pid);
	for (size_t i = 0; i < d->n_tasks; i++)
		if (hands[i])
			note_task(d->tasks[i], &b[i]);
	return 0;
}

/* One question to all of @th. */
static int step_all(struct task_thread *const *th, struct step *s, size_t n, const struct question *q)
{
	char buf[BUF_MAX] = { 0 };
	int ret = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = th[i]->inf->home - BUF_BELOW_HOME;

		s[i] = (struct step){ .inf = th[i]->inf, .nr = q->nr };
		memcpy(s[i].args, q->args, sizeof(s[i].args));
		if (q->arg < 0)
			continue;
		s[i].args[q->arg] = at;
		s[i].err = task_write(th[i]->tid, at, buf, q->len);
	}
	infect_steps(s, n);
	for (size_t i = 0; i < n; i++) {
		int err = s[i].err;

		if (err >= 0 && q->arg >= 0 && s[i].ret < 0 && s[i].ret > -4096)
			err = (int)s[i].ret;
		if (err >= 0 && q->arg >= 0)
			err = task_read(th[i]->tid, th[i]->inf->home - BUF_BELOW_HOME, buf, q->len);
		if (err < 0 && ret >= 0)
			ret = log_errno(err, "thread %d: state", th[i]->tid);
		note(th[i]->said, q, buf, s[i].ret);
	}
	return ret;
}

static int ask_threads(struct dump *d)
{
	size_t n = 0;
	_cleanup_free_ struct task_thread **v = tree_threads(d, 1, &n);
	_cleanup_free_ struct step *s = calloc(n + 1, sizeof(*s));
	int ret = v && s ? 0 : log_oom();

	for (size_t i = 0; ret >= 0 && i < n; i++) {
		ret = infect_home(v[i]->inf, NULL);
		if (ret < 0)
			log_errno(ret, "thread %d: the way home", v[i]->tid);
	}
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(questions); i++)
		ret = step_all(v, s, n, &questions[i]);
	return ret;
}

int tasks_ask(struct dump *d)
{
	int ret;

	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		t->said = calloc(1, sizeof(*t->said));
		if (!t->said)
			return log_oom();
		for (size_t k = 0; k < t->n_threads; k++) {
			t->threads[k].said = calloc(1, sizeof(*t->threads[k].said));
			if (!t->threads[k].said)
				return log_oom();
		}
	}
	ret = ask_tasks(d);
	return ret < 0 ? ret : ask_threads(d);
}
