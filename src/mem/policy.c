/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NUMA policies: of areas (mbind(2)) and of the task (set_mempolicy(2); its threads inherit the
 * leader's). Asked by the hand with get_mempolicy(2).
 * On a machine without those nodes the policy is left out, with a warning.
 */
#include <linux/mempolicy.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/mm.h"

#define NODES 1024
#define MASK (NODES / 8)

struct policy {
	uint32_t mode; /* MPOL_* with its flags */
	uint8_t nodes[MASK];
};

static size_t mask_len(const struct policy *p)
{
	size_t n = MASK;

	while (n && !p->nodes[n - 1])
		n--;
	return n;
}

static int set_policy(const struct policy *p, PolicyEntry **ret)
{
	PolicyEntry *e = malloc(sizeof(*e));
	size_t n = mask_len(p);

	if (!e)
		return log_oom();
	policy_entry__init(e);
	*ret = e;
	e->mode = p->mode;
	e->nodes.data = malloc(n + 1);
	if (!e->nodes.data)
		return log_oom();
	memcpy(e->nodes.data, p->nodes, n);
	e->nodes.len = n;
	return 0;
}

/* In the hand's arena: the answer to one question. */
struct policy_answer {
	struct policy policy;
	int32_t mode;
};

static const struct remote_call *ask(struct remote *h, struct policy_answer *a, uint64_t addr)
{
	return remote_try(h, SYS_get_mempolicy, remote_addr(h, &a->mode), remote_addr(h, a->policy.nodes),
			  NODES, addr, addr ? MPOL_F_ADDR : 0);
}

static struct policy *answer_of(struct policy_answer *a)
{
	a->policy.mode = (uint32_t)a->mode;
	return &a->policy;
}

#define AREAS_AT_ONCE 256

void policy_ask(const struct mm *m, struct policy_question *q)
{
	struct remote *h = m->task->hand;

	q->n = MIN(m->msg->n_areas - q->from, (size_t)AREAS_AT_ONCE);
	q->answers = remote_alloc(h, (q->n + 1) * sizeof(*q->answers));
	q->own = ask(h, &q->answers[q->n], 0);
	for (size_t i = 0; i < q->n; i++) {
		const struct remote_call *c = ask(h, &q->answers[i], m->msg->areas[q->from + i]->start);

		if (i == 0)
			q->first = c;
	}
}

static int take_areas(struct mm *m, const struct policy_question *q)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < q->n; i++) {
		AreaEntry *a = m->msg->areas[q->from + i];
		const struct policy *p = answer_of(&q->answers[i]);

		if (q->first[i].ret == 0 && p->mode != MPOL_DEFAULT && a->kind != AREA_KIND__VDSO)
			ret = set_policy(p, &a->policy);
	}
	return ret;
}

int policy_take(struct mm *m, struct policy_question *q)
{
	struct policy *own = answer_of(&q->answers[q->n]);
	int ret = 0;

	if (q->own->ret < 0) /* a kernel without NUMA */
		return 0;
	if (!q->from && own->mode != MPOL_DEFAULT)
		ret = set_policy(own, &m->msg->policy);
	while (ret >= 0) {
		ret = take_areas(m, q);
		q->from += q->n;
		if (ret < 0 || q->from >= m->msg->n_areas)
			break;
		policy_ask(m, q);
		ret = remote_run(m->task->hand);
		if (ret < 0)
			return log_errno(ret, "pid %d: cannot ask for NUMA policies", m->task->pid);
	}
	return ret;
}

bool policy_equal(const PolicyEntry *a, const PolicyEntry *b)
{
	if (!a || !b)
		return a == b;
	return a->mode == b->mode && a->nodes.len == b->nodes.len &&
	       memcmp(a->nodes.data, b->nodes.data, a->nodes.len) == 0;
}

bool policy_valid(const PolicyEntry *p)
{
	return !p || p->nodes.len <= MASK;
}

static uint64_t put_nodes(struct remote *h, const PolicyEntry *p)
{
	uint8_t *nodes = remote_alloc(h, MASK);

	memcpy(nodes, p->nodes.data, p->nodes.len);
	return p->nodes.len ? remote_addr(h, nodes) : 0;
}

int policy_restore_area(const struct rtask *t, const AreaEntry *a)
{
	uint64_t nodes;
	long ret;

	if (!a->policy)
		return 0;
	nodes = put_nodes(t->hand, a->policy);
	ret = remote_syscall(t->hand, SYS_mbind, a->start, a->end - a->start, a->policy->mode, nodes, NODES,
			     0);
	if (ret == -EINVAL || ret == -ENOSYS)
		log_warn("pid %d area %lx-%lx: its NUMA policy %x does not fit this machine and is left out",
			 t->msg->pid, a->start, a->end, a->policy->mode);
	else if (ret < 0)
		return log_errno(ret, "pid %d area %lx-%lx: mbind", t->msg->pid, a->start, a->end);
	return 0;
}

int policy_restore_task(const struct rtask *t, const MmEntry *mm)
{
	long ret;

	if (!mm->policy)
		ret = remote_syscall(t->hand, SYS_set_mempolicy, MPOL_DEFAULT, 0, 0);
	else
		ret = remote_syscall(t->hand, SYS_set_mempolicy, mm->policy->mode,
				     put_nodes(t->hand, mm->policy), NODES);
	if ((ret == -EINVAL || ret == -ENOSYS) && mm->policy)
		log_warn("pid %d: its NUMA policy %x does not fit this machine and is left out", t->msg->pid,
			 mm->policy->mode);
	else if (ret < 0 && ret != -ENOSYS)
		return log_errno(ret, "pid %d: set_mempolicy", t->msg->pid);
	return 0;
}
