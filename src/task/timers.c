/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interval timers (getitimer(2)) and POSIX timers (/proc/PID/timers for what they are,
 * timer_gettime(2) for when they fire). Ids are kept by PR_TIMER_CREATE_RESTORE_IDS (Linux 6.15).
 * Remaining times are kept, also of absolute timers: CLOCK_MONOTONIC goes on in the time namespace.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "task/kinds.h"
#include "task/said.h"

static int add_itimer(TaskEntry *msg, uint32_t which, const struct itimerval *v)
{
	ItimerEntry *e;

	if (!v->it_value.tv_sec && !v->it_value.tv_usec && !v->it_interval.tv_sec && !v->it_interval.tv_usec)
		return 0;
	e = calloc(1, sizeof(*e));
	if (!e || !GROW(msg->itimers, msg->n_itimers)) {
		free(e);
		return -ENOMEM;
	}
	itimer_entry__init(e);
	e->which = which;
	e->interval_us = v->it_interval.tv_sec * 1000000ULL + v->it_interval.tv_usec;
	e->value_us = v->it_value.tv_sec * 1000000ULL + v->it_value.tv_usec;
	msg->itimers[msg->n_itimers++] = e;
	return 0;
}

static int itimers_dump(struct task *t)
{
	int ret = 0;

	for (uint32_t i = 0; ret >= 0 && i < N_ITIMERS; i++)
		ret = add_itimer(t->msg, i, &t->said->itimers[i]);
	return ret;
}

/* One record of /proc/PID/timers: "ID: 0", "signal: 14/0000", "notify: signal/pid.5", "ClockID: 0". */
static int parse_timer(char **text, PosixTimerEntry *e)
{
	char *line = next_line(text), kind[16], who[8];
	unsigned long long val;
	int n;

	if (!line || sscanf(line, "ID: %d", &e->id) != 1)
		return -EINVAL;
	line = next_line(text);
	if (!line || sscanf(line, "signal: %d/%llx", &e->signo, &val) != 2)
		return -EINVAL;
	e->sigval = val;
	line = next_line(text);
	if (!line || sscanf(line, "notify: %15[^/]/%7[^.].%d", kind, who, &n) != 3)
		return -EINVAL;
	e->notify = streq(kind, "signal") ? SIGEV_SIGNAL : streq(kind, "none") ? SIGEV_NONE : SIGEV_THREAD;
	if (streq(who, "tid")) {
		e->notify |= SIGEV_THREAD_ID;
		e->has_thread = true;
		e->thread = n;
	}
	line = next_line(text);
	return line && sscanf(line, "ClockID: %d", &e->clockid) == 1 ? 0 : -EINVAL;
}

static int timer_values(struct task *t, PosixTimerEntry *e)
{
	struct remote *h = t->hand;
	struct itimerspec *v = remote_alloc(h, sizeof(*v));
	struct remote_call *over;
	int ret;

	remote_call(h, SYS_timer_gettime, e->id, remote_addr(h, v));
	over = remote_call(h, SYS_timer_getoverrun, e->id);
	ret = remote_run(h);
	if (ret < 0)
		return ret;
	e->interval_ns = v->it_interval.tv_sec * 1000000000ULL + v->it_interval.tv_nsec;
	e->value_ns = v->it_value.tv_sec * 1000000000ULL + v->it_value.tv_nsec;
	e->overrun = (int32_t)over->ret;
	return 0;
}

/* /proc/PID/timers names a thread by its id in the reader's namespace: give its own. */
static int timer_thread(struct task *t, PosixTimerEntry *e)
{
	for (size_t i = 0; e->has_thread && i < t->n_threads; i++) {
		if (t->threads[i].tid != e->thread)
			continue;
		e->thread = t->threads[i].msg->tid;
		return 0;
	}
	return e->has_thread ? -ESRCH : 0;
}

static int posix_timers_dump(struct task *t)
{
	_cleanup_free_ char *buf = NULL;
	char *text;
	int ret = read_text_at(t->proc, "timers", &buf);

	text = buf;
	while (ret >= 0 && text && *text) {
		PosixTimerEntry *e = calloc(1, sizeof(*e));

		if (!e || !GROW(t->msg->timers, t->msg->n_timers)) {
			free(e);
			return -ENOMEM;
		}
		posix_timer_entry__init(e);
		t->msg->timers[t->msg->n_timers++] = e;
		ret = parse_timer(&text, e);
		if (ret >= 0)
			ret = timer_thread(t, e);
		if (ret >= 0)
			ret = timer_values(t, e);
	}
	return ret;
}

int timers_dump(struct task *t)
{
	int ret = itimers_dump(t);

	return ret < 0 ? ret : posix_timers_dump(t);
}

static void timer_restore(struct remote *h, const PosixTimerEntry *e)
{
	struct itimerspec *v = remote_alloc(h, sizeof(*v));
	struct sigevent *ev = remote_alloc(h, sizeof(*ev));
	int32_t *id = remote_alloc(h, sizeof(*id));

	*id = e->id;
	ev->sigev_notify = e->notify;
	ev->sigev_signo = e->signo;
	ev->sigev_value.sival_ptr = (void *)e->sigval;
	ev->_sigev_un._tid = e->has_thread ? e->thread : 0;
	v->it_interval.tv_sec = (time_t)(e->interval_ns / 1000000000);
	v->it_interval.tv_nsec = (long)(e->interval_ns % 1000000000);
	v->it_value.tv_sec = (time_t)(e->value_ns / 1000000000);
	v->it_value.tv_nsec = (long)(e->value_ns % 1000000000);
	remote_call(h, SYS_timer_create, (uint64_t)(int64_t)e->clockid, remote_addr(h, ev),
		    remote_addr(h, id));
	remote_call(h, SYS_timer_settime, e->id, 0, remote_addr(h, v), 0);
}

int timers_restore(struct rtask *t)
{
	struct remote *h = t->hand;
	int ret;

	for (size_t i = 0; i < t->msg->n_itimers; i++) {
		const ItimerEntry *e = t->msg->itimers[i];
		struct itimerval *v = remote_alloc(h, sizeof(*v));

		v->it_interval.tv_sec = (time_t)(e->interval_us / 1000000);
		v->it_interval.tv_usec = (long)(e->interval_us % 1000000);
		v->it_value.tv_sec = (time_t)(e->value_us / 1000000);
		v->it_value.tv_usec = (long)(e->value_us % 1000000);
		remote_call(h, SYS_setitimer, e->which, remote_addr(h, v), 0);
	}
	ret = remote_run(h);
	if (ret < 0 || !t->msg->n_timers)
		return ret;
	remote_call(h, SYS_prctl, CTCR_PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0);
	ret = remote_run(h);
	for (size_t i = 0; ret >= 0 && i < t->msg->n_timers; i++) {
		timer_restore(h, t->msg->timers[i]);
		ret = remote_run(h);
	}
	if (ret < 0)
		return ret;
	return (int)remote_syscall(h, SYS_prctl, CTCR_PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0);
}
