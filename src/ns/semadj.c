/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SEM_UNDO left to be undone (semop(2), semadj). The kernel shows it nowhere, but tells it: semop
 * refuses with ERANGE, before it changes anything, an operation that would take the adjustment out of its
 * range (ipc/sem.c, perform_atomic_semop_slow). So the hand asks with operations at the edge of the range
 * whose last part cannot succeed (EAGAIN); as all parts are done together or not at all, nothing ever
 * changes.
 */
#include <sys/sem.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "ns/ipc.h"

#define VMAX 32767 /* SEMVMX, SEMAEM */

struct probe {
	struct remote *hand;
	int id;
	uint16_t num;
	int value; /* of the semaphore now */
};

static void add_op(struct sembuf *ops, size_t *n, uint16_t num, int op, int flags)
{
	if (op) /* 0 means: wait for zero */
		ops[(*n)++] = (struct sembuf){ .sem_num = num,
					       .sem_op = (short)op,
					       .sem_flg = (short)(flags | IPC_NOWAIT) };
}

/* Fails with ERANGE if the adjustment is more than @k, else with EAGAIN. */
static size_t ops_more_than(const struct probe *p, int k, struct sembuf *ops)
{
	size_t n = 0;

	add_op(ops, &n, p->num, VMAX - p->value, 0);
	add_op(ops, &n, p->num, k - VMAX, SEM_UNDO);
	add_op(ops, &n, p->num, -(k + 1), 0);
	return n;
}

/* Fails with ERANGE if the adjustment is less than -@k, else with EAGAIN. */
static size_t ops_less_than(const struct probe *p, int k, struct sembuf *ops)
{
	size_t n = 0;

	add_op(ops, &n, p->num, -p->value, 0);
	add_op(ops, &n, p->num, 1, SEM_UNDO);
	add_op(ops, &n, p->num, -1, 0);
	add_op(ops, &n, p->num, VMAX - k, SEM_UNDO);
	add_op(ops, &n, p->num, -(VMAX - k + 1), 0);
	return n;
}

typedef size_t (*ops_fn)(const struct probe *p, int k, struct sembuf *ops);

static struct remote_call *ask(const struct probe *p, ops_fn make, int k)
{
	struct sembuf ops[5];
	size_t n = make(p, k, ops);
	struct sembuf *there = remote_copy(p->hand, ops, n * sizeof(*ops));

	return remote_try(p->hand, SYS_semop, p->id, remote_addr(p->hand, there), n);
}

/* 1: yes (ERANGE), 0: no. A task that may not change the set has no adjustment of it. */
static int answer(const struct remote_call *c)
{
	if (c->ret == -ERANGE)
		return 1;
	if (c->ret == -EAGAIN || c->ret == -EACCES)
		return 0;
	return c->ret < 0 ? (int)c->ret : -EPROTO;
}

/* The size of an adjustment that is known to be more than 0, by halving. */
static int measure(const struct probe *p, ops_fn make, int *ret)
{
	int low = 0, high = VMAX - 1; /* more than low; at most high + 1 */

	while (low < high) {
		int mid = (low + high + 1) / 2, more;
		struct remote_call *c = ask(p, make, mid);
		int err = remote_run(p->hand);

		more = err < 0 ? err : answer(c);
		if (more < 0)
			return more;
		if (more)
			low = mid;
		else
			high = mid - 1;
	}
	*ret = low + 1;
	return 0;
}

static int add_adj(const struct task *t, const struct probe *p, int adj, IpcNsEntry *msg)
{
	IpcSemAdjEntry *e = malloc(sizeof(*e));

	if (!e || pb_append(&msg->adjs, &msg->n_adjs, e) < 0) {
		free(e);
		return -ENOMEM;
	}
	ipc_sem_adj_entry__init(e);
	e->task_id = t->id;
	e->sem_id = (uint32_t)p->id;
	e->num = p->num;
	e->adj = adj;
	return 0;
}

static int dump_one(const struct task *t, const struct probe *p, IpcNsEntry *msg)
{
	struct remote_call *up = ask(p, ops_more_than, 0), *down = ask(p, ops_less_than, 0);
	int err = remote_run(p->hand), positive, negative, adj = 0;

	if (err < 0)
		return err;
	positive = answer(up);
	negative = answer(down);
	if (positive < 0 || negative < 0)
		return positive < 0 ? positive : negative;
	if (!positive && !negative)
		return 0;
	err = measure(p, positive ? ops_more_than : ops_less_than, &adj);
	return err < 0 ? err : add_adj(t, p, positive ? adj : -adj, msg);
}

static int dump_task(const struct task *t, IpcNsEntry *msg)
{
	for (size_t i = 0; i < msg->n_sems; i++)
		for (size_t k = 0; k < msg->sems[i]->n_values; k++) {
			const struct probe p = {
				.hand = t->hand,
				.id = (int)msg->sems[i]->perm->id,
				.num = (uint16_t)k,
				.value = (int)msg->sems[i]->values[k],
			};
			int err = dump_one(t, &p, msg);

			if (err < 0)
				return log_errno(err, "pid %d: adjustment of semaphore %zu of set %d", t->pid,
						 k, p.id);
		}
	return 0;
}

/* CLONE_SYSVSEM between processes: one list for both, which ends with the last. */
static int refuse_shared(const struct dump *d, const struct task *t)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		const struct task *o = d->tasks[i];

		if (o == t || o->state == TASK_ZOMBIE || sys_kcmp(t->pid, o->pid, KCMP_SYSVSEM, 0, 0) != 0)
			continue;
		log_error("pid %d and %d share semaphore adjustments (CLONE_SYSVSEM), which cannot be "
			  "dumped; stop one",
			  t->pid, o->pid);
		return -EOPNOTSUPP;
	}
	return 0;
}

int semadj_dump(struct dump *d, const struct ns *ns, IpcNsEntry *msg)
{
	int err = 0;

	for (size_t i = 0; i < d->n_tasks && msg->n_sems && !err; i++) {
		size_t before = msg->n_adjs;

		if (d->tasks[i]->ns[NS_IPC] != ns || !d->tasks[i]->hand)
			continue;
		err = dump_task(d->tasks[i], msg);
		if (!err && msg->n_adjs > before)
			err = refuse_shared(d, d->tasks[i]);
	}
	return err;
}

static const IpcSemEntry *find_set(const IpcNsEntry *msg, uint32_t id)
{
	for (size_t i = 0; i < msg->n_sems; i++)
		if (msg->sems[i]->perm->id == id)
			return msg->sems[i];
	return NULL;
}

int semadj_check(const struct restore *r, const NsEntry *msg)
{
	for (size_t i = 0; i < msg->ipc->n_adjs; i++) {
		const IpcSemAdjEntry *e = msg->ipc->adjs[i];
		const IpcSemEntry *set = find_set(msg->ipc, e->sem_id);

		if (!set || e->num >= set->n_values || e->adj > VMAX || e->adj < -VMAX || !e->task_id ||
		    e->task_id > r->n_tasks || ns_entry_of(r, &r->tasks[e->task_id - 1], NS_IPC) != msg)
			return -EBADMSG;
	}
	return 0;
}

/* From zero and back to the value, so that no range is left on the way. */
static int restore_one(struct remote *h, const IpcSemAdjEntry *e, int value)
{
	struct sembuf ops[4];
	size_t n = 0;

	add_op(ops, &n, (uint16_t)e->num, -value, 0);
	if (e->adj > 0)
		add_op(ops, &n, (uint16_t)e->num, e->adj, 0);
	add_op(ops, &n, (uint16_t)e->num, -e->adj, SEM_UNDO);
	if (e->adj < 0)
		add_op(ops, &n, (uint16_t)e->num, e->adj, 0);
	add_op(ops, &n, (uint16_t)e->num, value, 0);
	remote_call(h, SYS_semop, e->sem_id, remote_addr(h, remote_copy(h, ops, n * sizeof(*ops))), n);
	return remote_run(h);
}

int semadj_restore(struct restore *r, const IpcNsEntry *msg)
{
	for (size_t i = 0; i < msg->n_adjs; i++) {
		const IpcSemAdjEntry *e = msg->adjs[i];
		const struct rtask *t = &r->tasks[e->task_id - 1];
		int err = !t->hand ? -ESRCH
				   : restore_one(t->hand, e, (int)find_set(msg, e->sem_id)->values[e->num]);

		if (err < 0)
			return log_errno(err, "pid %d: adjustment of semaphore %u of set %u", t->pid, e->num,
					 e->sem_id);
	}
	return 0;
}
