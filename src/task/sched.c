/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling of a thread, all of it readable and settable from outside by thread id: policy, nice,
 * priorities (sched_getattr(2)), affinity, I/O priority, timer slack.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "task/kinds.h"

#define IOPRIO_WHO_PROCESS 1
#define AFFINITY_BYTES 1024
#define SCHED_FLAG_ALL_ 0x0f

struct sched_attr_ {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static int dump_attr(pid_t tid, SchedEntry *s)
{
	struct sched_attr_ a = { 0 };

	if (syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) < 0)
		return -errno;
	s->policy = a.policy;
	s->flags = a.flags & SCHED_FLAG_ALL_;
	s->nice = a.nice;
	s->priority = a.priority;
	if (a.policy == 6) {
		s->has_runtime = s->has_deadline = s->has_period = true;
		s->runtime = a.runtime;
		s->deadline = a.deadline;
		s->period = a.period;
	}
	return 0;
}

static int dump_affinity(pid_t tid, SchedEntry *s)
{
	long n;

	s->affinity.data = calloc(1, AFFINITY_BYTES);
	if (!s->affinity.data)
		return -ENOMEM;
	n = syscall(SYS_sched_getaffinity, tid, AFFINITY_BYTES, s->affinity.data);
	if (n < 0)
		return -errno;
	s->affinity.len = n;
	return 0;
}

int sched_dump(struct task *t, struct task_thread *th)
{
	_cleanup_free_ char *slack = NULL;
	SchedEntry *s = calloc(1, sizeof(*s));
	char path[64];
	long ioprio;
	int ret;

	if (!s)
		return -ENOMEM;
	sched_entry__init(s);
	th->msg->sched = s;
	ret = dump_attr(th->tid, s);
	if (ret >= 0)
		ret = dump_affinity(th->tid, s);
	if (ret < 0)
		return ret;
	ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, th->tid);
	s->ioprio = ioprio < 0 ? 0 : (uint32_t)ioprio;
	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", th->tid);
	if (read_text_at(AT_FDCWD, path, &slack) >= 0)
		s->timerslack_ns = strtoull(slack, NULL, 10);
	return 0;
}

/* CPUs this host does not have are left out; with none left the thread may run anywhere. */
static int restore_affinity(pid_t tid, const SchedEntry *s)
{
	uint8_t mask[AFFINITY_BYTES] = { 0 };

	if (!s->affinity.len || s->affinity.len > sizeof(mask))
		return -EBADMSG;
	memcpy(mask, s->affinity.data, s->affinity.len);
	if (syscall(SYS_sched_setaffinity, tid, sizeof(mask), mask) >= 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	log_warn("thread %d: none of its CPUs exist here; it may run on all", tid);
	memset(mask, 0xff, sizeof(mask));
	return syscall(SYS_sched_setaffinity, tid, sizeof(mask), mask) < 0 ? -errno : 0;
}

int sched_restore(struct rthread *th)
{
	const SchedEntry *s = th->msg->sched;
	struct sched_attr_ a = { .size = sizeof(a),
				 .policy = s->policy,
				 .flags = s->flags,
				 .nice = s->nice,
				 .priority = s->priority,
				 .runtime = s->runtime,
				 .deadline = s->deadline,
				 .period = s->period };
	int ret = restore_affinity(th->tid, s);

	if (ret < 0)
		return ret;
	if (syscall(SYS_sched_setattr, th->tid, &a, 0) < 0)
		return -errno;
	if (s->ioprio && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, th->tid, s->ioprio) < 0)
		return -errno;
	if (s->timerslack_ns) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", th->tid);
		return write_textf_at(AT_FDCWD, path, "%llu", (unsigned long long)s->timerslack_ns);
	}
	return 0;
}
