/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time namespaces, time_namespaces(7). Every restored tree gets one, whatever it was in before, so
 * that CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where the dump left them, also on another machine.
 * We unshare it, set its offsets and clone the root into it; then we go back to our own, which
 * setns(2) allows only while we have one thread. Offsets can be set only before the first task is in.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "image/image.h"
#include "ns/kinds.h"
#include "ns/timens.h"

#define NSEC 1000000000LL

static int parse_offset(char *line, const char *name, int64_t *ret)
{
	char *save = NULL, *word = strtok_r(line, " \t", &save);
	int64_t sec, nsec;

	if (!word || !streq(word, name))
		return -EINVAL;
	word = strtok_r(NULL, " \t", &save);
	if (!word || parse_i64(word, 10, &sec) < 0 || sec > INT64_MAX / NSEC - 1 ||
	    sec < -(INT64_MAX / NSEC - 1))
		return -EINVAL;
	word = strtok_r(NULL, " \t", &save);
	if (!word || parse_i64(word, 10, &nsec) < 0 || nsec < 0 || nsec >= NSEC)
		return -EINVAL;
	*ret = sec * NSEC + nsec;
	return 0;
}

int timens_parse(char *text, struct timens_offsets *ret)
{
	char *mono = next_line(&text), *boot = mono ? next_line(&text) : NULL;
	struct timens_offsets o;

	if (!boot || parse_offset(mono, "monotonic", &o.monotonic) < 0 ||
	    parse_offset(boot, "boottime", &o.boottime) < 0)
		return -EINVAL;
	*ret = o;
	return 0;
}

static int read_offsets(pid_t pid, struct timens_offsets *ret)
{
	_cleanup_free_ char *text = NULL;
	int err = proc_read(pid, "timens_offsets", &text);

	if (err == -ENOENT) { /* no time namespaces in this kernel */
		*ret = (struct timens_offsets){ 0 };
		return 0;
	}
	return err < 0 ? err : timens_parse(text, ret);
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* The clocks of the machine, whatever time namespace we are in. */
static int machine_clocks(struct timens_offsets *ret)
{
	struct timens_offsets own;
	int err = read_offsets(getpid(), &own);

	if (err < 0)
		return err;
	ret->monotonic = clock_ns(CLOCK_MONOTONIC) - own.monotonic;
	ret->boottime = clock_ns(CLOCK_BOOTTIME) - own.boottime;
	return 0;
}

int timens_clock(struct dump *d, ClockEntry *ret)
{
	struct timens_offsets now, off;
	int err = machine_clocks(&now);

	if (!err)
		err = read_offsets(d->tasks[0]->pid, &off);
	if (err < 0)
		return log_errno(err, "pid %d: timens_offsets", d->tasks[0]->pid);
	ret->monotonic_ns = now.monotonic + off.monotonic;
	ret->boottime_ns = now.boottime + off.boottime;
	return 0;
}

static int time_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	struct timens_offsets off;
	int err = read_offsets(ns->task->pid, &off);

	if (err < 0)
		return log_errno(err, "pid %d: timens_offsets", ns->task->pid);
	msg->time = malloc(sizeof(*msg->time));
	if (!msg->time)
		return log_oom();
	time_ns_entry__init(msg->time);
	msg->time->monotonic_ns = off.monotonic;
	msg->time->boottime_ns = off.boottime;
	return 0;
}

static int time_survey(struct dump *d, const struct ns *ns)
{
	if (ns->task == d->tasks[0])
		return 0;
	return dump_obstacle(d,
			     "pid %d: a time namespace of its own inside the container cannot be dumped; "
			     "stop it",
			     ns->task->pid);
}

static int time_check(const struct restore *r, const NsEntry *msg)
{
	return msg->task_id == 1 ? 0 : -EBADMSG;
}

/* Split so that 0 <= nsec, as the kernel wants it. */
static int write_offsets(const struct timens_offsets *o)
{
	int64_t mono_ns = (o->monotonic % NSEC + NSEC) % NSEC, boot_ns = (o->boottime % NSEC + NSEC) % NSEC;

	return write_textf_at(AT_FDCWD, "/proc/self/timens_offsets",
			      "monotonic %lld %lld\nboottime %lld %lld\n",
			      (long long)((o->monotonic - mono_ns) / NSEC), (long long)mono_ns,
			      (long long)((o->boottime - boot_ns) / NSEC), (long long)boot_ns);
}

int timens_enter(struct restore *r)
{
	const ClockEntry *c = r->ns->clock;
	struct timens_offsets now, off;
	int err, fd;

	if (!c)
		return 0;
	fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : log_errno(errno, "/proc/self/ns/time");
	if (unshare(CLONE_NEWTIME) < 0) {
		err = log_errno(errno, "unshare a time namespace");
		close(fd);
		return err;
	}
	r->ns->own_time = fd_high(fd);
	err = machine_clocks(&now);
	if (err < 0)
		return log_errno(err, "/proc/self/timens_offsets");
	off.monotonic = c->monotonic_ns - now.monotonic;
	off.boottime = c->boottime_ns - now.boottime;
	err = write_offsets(&off);
	return err < 0 ? log_errno(err, "time namespace offsets (monotonic %+lld s)",
				   (long long)(off.monotonic / NSEC))
		       : 0;
}

int timens_leave(struct restore *r)
{
	int fd = r->ns->own_time, err = 0;

	if (fd < 0)
		return 0;
	if (setns(fd, CLONE_NEWTIME) < 0)
		err = log_errno(errno, "back to our own time namespace");
	close_fd(&r->ns->own_time);
	return err;
}

const struct ns_ops ns_time_ops = { .survey = time_survey, .dump = time_dump, .check = time_check };
