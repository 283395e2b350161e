/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cgroup namespaces, cgroup_namespaces(7): where its root is in each hierarchy. A new one is rooted where
 * its maker stands, so its first task is put there, unshares it, and goes to its own cgroup then.
 */
#include <sched.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"
#include "ns/kinds.h"

static int cgroupns_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	int err;

	msg->cgroup = malloc(sizeof(*msg->cgroup));
	if (!msg->cgroup)
		return log_oom();
	cgroup_ns_entry__init(msg->cgroup);
	err = cgroup_ns_root_id(d, ns, &msg->cgroup->root_id);
	return err < 0 ? log_errno(err, "cgroup namespace of pid %d: its root", ns->task->pid) : 0;
}

static int cgroupns_check(const struct restore *r, const NsEntry *msg)
{
	return msg->cgroup ? 0 : -EBADMSG;
}

static int cgroupns_restore(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	const ThreadEntry *leader = t->msg->n_threads ? t->msg->threads[0] : NULL;
	int err = cgroup_place(r, t->pid, msg->cgroup->root_id);

	if (err < 0)
		return err;
	err = (int)remote_syscall(t->hand, SYS_unshare, CLONE_NEWCGROUP);
	if (err < 0)
		return log_errno(err, "cgroup namespace %u: unshare", msg->id);
	return leader && leader->has_cgroup_id ? cgroup_place(r, t->pid, leader->cgroup_id) : 0;
}

const struct ns_ops ns_cgroup_ops = { .dump = cgroupns_dump,
				      .check = cgroupns_check,
				      .restore = cgroupns_restore };
