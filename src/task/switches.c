/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Switches of prctl(2) that each thread has for itself: whether it may read the time stamp counter, how it
 * hears of broken memory, which speculation it gave up. PR_SET_IO_FLUSHER can only be asked for with
 * CAP_SYS_RESOURCE, and is lost.
 */
#include <linux/prctl.h>

#include "base/syscalls.h"
#include "task/kinds.h"
#include "task/said.h"

static int add_speculation(SwitchesEntry *e, uint32_t which, int64_t state)
{
	SpeculationEntry *s;

	if (state < 0 || !(state & PR_SPEC_PRCTL) || state & PR_SPEC_ENABLE)
		return 0;
	s = malloc(sizeof(*s));
	if (!s || !GROW(e->speculation, e->n_speculation)) {
		free(s);
		return -ENOMEM;
	}
	speculation_entry__init(s);
	s->which = which;
	s->state = (uint32_t)state & ~(uint32_t)PR_SPEC_PRCTL;
	e->speculation[e->n_speculation++] = s;
	return 0;
}

int switches_dump(struct task_thread *th)
{
	const struct thread_said *said = th->said;
	SwitchesEntry *e = malloc(sizeof(*e));
	int ret;

	if (!e)
		return -ENOMEM;
	switches_entry__init(e);
	th->msg->switches = e;
	e->has_tsc = said->tsc == PR_TSC_SIGSEGV;
	e->tsc = said->tsc;
	e->has_mce_kill = said->mce_kill == PR_MCE_KILL_EARLY || said->mce_kill == PR_MCE_KILL_LATE;
	e->mce_kill = (uint32_t)said->mce_kill;
	ret = add_speculation(e, PR_SPEC_STORE_BYPASS, said->store_bypass);
	return ret < 0 ? ret : add_speculation(e, PR_SPEC_INDIRECT_BRANCH, said->indirect_branch);
}

/* A host whose processor knows no such speculation, or never does it, needs no switch. */
int switches_restore(struct rthread *th)
{
	const SwitchesEntry *e = th->msg->switches;
	struct remote *h = th->hand;

	if (!e || (!e->has_tsc && !e->has_mce_kill && !e->n_speculation))
		return 0;
	if (e->has_mce_kill)
		remote_call(h, SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, e->mce_kill, 0, 0);
	for (size_t i = 0; i < e->n_speculation && remote_calls_left(h) > 2; i++)
		remote_try(h, SYS_prctl, PR_SET_SPECULATION_CTRL, e->speculation[i]->which,
			   e->speculation[i]->state, 0, 0);
	if (e->has_tsc)
		remote_call(h, SYS_prctl, PR_SET_TSC, e->tsc);
	return remote_run(h);
}
