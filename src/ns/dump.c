/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "image/image.h"
#include "ns/kinds.h"
#include "ns/timens.h"

const struct ns_ops *ns_ops_of(enum ns_kind kind)
{
	static const struct ns_ops *const table[NS_KINDS] = {
		[NS_USER] = &ns_user_ops, [NS_PID] = &ns_pid_ops,	[NS_IPC] = &ns_ipc_ops,
		[NS_UTS] = &ns_uts_ops,	  [NS_CGROUP] = &ns_cgroup_ops, [NS_TIME] = &ns_time_ops,
	};

	return table[kind];
}

struct task *ns_any_task(const struct dump *d, const struct ns *ns)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		if (d->tasks[i]->ns[ns->kind] == ns && d->tasks[i]->hand)
			return d->tasks[i];
	return NULL;
}

static int entry_new(struct dump *d, const struct ns *ns, NsEntry **ret)
{
	const struct ns_ops *ops = ns_ops_of(ns->kind);
	NsEntry *e = malloc(sizeof(*e));

	if (!e)
		return log_oom();
	ns_entry__init(e);
	*ret = e;
	e->id = ns->id;
	e->kind = ns->kind;
	e->task_id = ns->task->id;
	e->has_owner_id = ns->owner != NULL;
	e->owner_id = ns->owner ? ns->owner->id : 0;
	e->has_parent_id = ns->parent != NULL;
	e->parent_id = ns->parent ? ns->parent->id : 0;
	return ops && ops->dump ? ops->dump(d, ns, e) : 0;
}

static int write_clock(struct dump *d)
{
	ClockEntry clock = CLOCK_ENTRY__INIT;
	int err = timens_clock(d, &clock);

	return err < 0 ? err : image_write_one(d->img, "clock", &clock.base);
}

int ns_dump(struct dump *d)
{
	NsEntry **entries = calloc(d->n_ns + 1, sizeof(*entries));
	int err = entries ? 0 : log_oom();

	for (size_t i = 0; i < d->n_ns && !err; i++)
		err = entry_new(d, d->ns[i], &entries[i]);
	if (!err)
		err = image_write(d->img, "ns", (const ProtobufCMessage *const *)entries, d->n_ns);
	for (size_t i = 0; entries && i < d->n_ns; i++)
		if (entries[i])
			ns_entry__free_unpacked(entries[i], NULL);
	free(entries);
	return err < 0 ? err : write_clock(d);
}
