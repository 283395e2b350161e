/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time namespaces, time_namespaces(7). Every restored tree gets one, whatever it was in before, so
 * that CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where the dump left them, also on another machine.
 * The root's hand unshares it, we set its offsets, which is possible only before the first task is in, and
 * then the hand enters it. It belongs to the container's user namespace: lxc-attach enters it from there.
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
static int write_offsets(pid_t pid, const struct timens_offsets *o)
{
	int64_t mono_ns = (o->monotonic % NSEC + NSEC) % NSEC, boot_ns = (o->boottime % NSEC + NSEC) % NSEC;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/timens_offsets", pid);
	return write_textf_at(AT_FDCWD, path, "monotonic %lld %lld\nboottime %lld %lld\n",
			      (long long)((o->monotonic - mono_ns) / NSEC), (long long)mono_ns,
			      (long long)((o->boottime - boot_ns) / NSEC), (long long)boot_ns);
}

static int enter_new(struct rtask *t, const ClockEntry *c)
{
	struct timens_offsets now, off;
	_cleanup_close_ int fd = -1;
	char path[48];
	int err = (int)remote_syscall(t->hand, SYS_unshare, CLONE_NEWTIME);

	if (!err)
		err = machine_clocks(&now);
	if (err < 0)
		return err;
	off.monotonic = c->monotonic_ns - now.monotonic;
	off.boottime = c->boottime_ns - now.boottime;
	err = write_offsets(t->pid, &off);
	if (err < 0)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/ns/time_for_children", t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : ns_hand_setns(t, fd, CLONE_NEWTIME);
}

int timens_restore(struct restore *r, struct rtask *t)
{
	int err;

	if (!r->ns->clock || access("/proc/self/ns/time", F_OK) < 0)
		return 0;
	err = enter_new(t, r->ns->clock);
	return err < 0 ? log_errno(err, "pid %d: time namespace", t->pid) : 0;
}

const struct ns_ops ns_time_ops = { .survey = time_survey, .dump = time_dump, .check = time_check };
