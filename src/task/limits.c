/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource limits (/proc/PID/limits: prlimit(2) on others needs CAP_SYS_RESOURCE), OOM adjustment,
 * audit login uid, core dump filter, personality, and the switches of prctl(2) that a process has.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "task/kinds.h"
#include "task/said.h"

/* The rows of /proc/PID/limits in the order of RLIMIT_*. */
static const char *const limit_names[] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};

static int parse_limit(const char *s, uint64_t *ret)
{
	if (streq(s, "unlimited")) {
		*ret = (uint64_t)RLIM_INFINITY;
		return 0;
	}
	return parse_u64(s, 10, ret);
}

static int add_limit(TaskEntry *msg, uint32_t resource, const char *row)
{
	RlimitEntry *e = calloc(1, sizeof(*e));
	char soft[32], hard[32];

	if (!e || !GROW(msg->rlimits, msg->n_rlimits)) {
		free(e);
		return -ENOMEM;
	}
	rlimit_entry__init(e);
	e->resource = resource;
	msg->rlimits[msg->n_rlimits++] = e;
	if (sscanf(row, " %31s %31s", soft, hard) != 2)
		return -EINVAL;
	return parse_limit(soft, &e->soft) < 0 ? -EINVAL : parse_limit(hard, &e->hard);
}

static int rlimits_dump(struct task *t)
{
	_cleanup_free_ char *text = NULL;
	int ret = read_text_at(t->proc, "limits", &text);

	for (uint32_t i = 0; ret >= 0 && i < ARRAY_SIZE(limit_names); i++) {
		const char *row = strstr(text, limit_names[i]);

		ret = row ? add_limit(t->msg, i, row + strlen(limit_names[i])) : -EINVAL;
	}
	return ret;
}

static bool read_number(const struct task *t, const char *name, int base, int64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char *end;

	if (read_text_at(t->proc, name, &text) < 0)
		return false;
	errno = 0;
	*ret = strtoll(text, &end, base);
	return end != text && !errno;
}

static void process_switches(struct task *t)
{
	const struct task_said *s = t->said;

	t->msg->has_dumpable = t->msg->has_child_subreaper = t->msg->has_thp_disable =
		t->msg->has_personality = true;
	t->msg->dumpable = (uint32_t)MAX(s->dumpable, 0);
	t->msg->thp_disable = s->thp_disable > 0;
	t->msg->has_thp_flags = s->thp_disable > 1;
	t->msg->thp_flags = (uint32_t)MAX(s->thp_disable, 0) & ~1U;
	t->msg->personality = (uint32_t)s->personality;
	t->msg->child_subreaper = s->subreaper;
}

int limits_dump(struct task *t)
{
	TaskEntry *m = t->msg;
	int64_t v;
	int ret = rlimits_dump(t);

	if (ret < 0)
		return ret;
	if (read_number(t, "oom_score_adj", 10, &v)) {
		m->has_oom_score_adj = true;
		m->oom_score_adj = (int32_t)v;
	}
	if (read_number(t, "loginuid", 10, &v)) {
		m->has_loginuid = true;
		m->loginuid = (uint32_t)v;
	}
	if (read_number(t, "coredump_filter", 16, &v)) {
		m->has_coredump_filter = true;
		m->coredump_filter = (uint32_t)v;
	}
	process_switches(t);
	return 0;
}

/* A hard limit above what this host gives us cannot be had without CAP_SYS_RESOURCE. */
static int rlimits_restore(struct rtask *t)
{
	struct remote *h = t->hand;
	struct remote_call *calls[ARRAY_SIZE(limit_names)] = { 0 };
	int ret;

	for (size_t i = 0; i < t->msg->n_rlimits; i++) {
		const RlimitEntry *e = t->msg->rlimits[i];
		uint64_t *lim = remote_alloc(h, 16);

		if (e->resource >= ARRAY_SIZE(limit_names))
			return -EBADMSG;
		lim[0] = e->soft;
		lim[1] = e->hard;
		calls[e->resource] = remote_try(h, SYS_prlimit64, 0, e->resource, remote_addr(h, lim), 0);
	}
	ret = remote_run(h);
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(calls); i++)
		if (calls[i] && calls[i]->ret < 0)
			log_warn("pid %d: limit \"%s\" cannot be raised to its old value on this host",
				 t->msg->pid, limit_names[i]);
	return ret;
}

static int write_number(const struct rtask *t, const char *name, const char *fmt, long long v)
{
	_cleanup_close_ int dir = proc_open(t->pid);
	char text[32];

	if (dir < 0)
		return dir;
	snprintf(text, sizeof(text), *fmt == 'x' ? "%llx" : "%lld", v);
	return write_text_at(dir, name, text);
}

int limits_restore(struct rtask *t)
{
	const TaskEntry *m = t->msg;
	struct remote *h = t->hand;
	int ret;

	if (m->has_oom_score_adj && write_number(t, "oom_score_adj", "d", m->oom_score_adj) < 0)
		log_warn("pid %d: oom_score_adj %d cannot be set here", m->pid, m->oom_score_adj);
	if (m->has_coredump_filter)
		(void)write_number(t, "coredump_filter", "x", m->coredump_filter);
	if (m->has_loginuid && m->loginuid != UINT32_MAX && write_number(t, "loginuid", "d", m->loginuid) < 0)
		log_warn("pid %d: loginuid %u cannot be set here", m->pid, m->loginuid);
	if (m->has_personality)
		remote_call(h, SYS_personality, m->personality);
	if (m->child_subreaper)
		remote_call(h, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	if (m->thp_disable)
		remote_call(h, SYS_prctl, PR_SET_THP_DISABLE, 1, m->thp_flags, 0, 0);
	ret = remote_run(h);
	return ret < 0 ? ret : rlimits_restore(t);
}
