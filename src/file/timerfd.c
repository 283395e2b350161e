/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timerfd_create(2): clock, flags, remaining time, interval and unread expirations by fdinfo. fdinfo gives
 * what remains, also for absolute timers: those of wall clocks keep their moment (they are late when it has
 * passed), all others go on with what remained.
 * Not restored: how long ago a periodic timer expired that nobody has read since.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "file/kinds.h"
#include "file/table.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

static bool timerfd_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:[timerfd]");
}

/* "it_value: (7, 12)": seconds, nanoseconds. */
static int read_time(const char *fdinfo, const char *key, uint64_t *ret_ns)
{
	const char *p = key_value(fdinfo, key);
	unsigned long long s, ns;

	if (!p || sscanf(p, "(%llu, %llu)", &s, &ns) != 2 || s > UINT64_MAX / 1000000000 - 1)
		return -EINVAL;
	*ret_ns = s * 1000000000 + ns;
	return 0;
}

static bool is_wall_clock(int clockid)
{
	return clockid == CLOCK_REALTIME || clockid == CLOCK_REALTIME_ALARM;
}

static int timerfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	TimerfdEntry *e = MSG_NEW(TimerfdEntry, timerfd_entry);
	uint64_t clockid, flags;
	struct timespec now;

	if (!e)
		return log_oom();
	msg->timerfd = e;
	msg->kind_case = FILE_ENTRY__KIND_TIMERFD;
	if (key_u64(f->fdinfo, "clockid", 10, &clockid) < 0 ||
	    key_u64(f->fdinfo, "ticks", 10, &e->ticks) < 0 ||
	    key_u64(f->fdinfo, "settime flags", 8, &flags) < 0 ||
	    read_time(f->fdinfo, "it_value", &e->value_ns) < 0 ||
	    read_time(f->fdinfo, "it_interval", &e->interval_ns) < 0) {
		log_error("%s: cannot read its fdinfo", file_desc_name(f));
		return -EINVAL;
	}
	e->clockid = (int32_t)clockid;
	e->settime_flags = flags;
	if (is_wall_clock(e->clockid) && clock_gettime(CLOCK_REALTIME, &now) == 0) {
		e->has_dumped_ns = true;
		e->dumped_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
	return 0;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

/* The value for timerfd_settime(2) with the flags it had. */
static uint64_t value_of(const TimerfdEntry *e)
{
	uint64_t value = e->value_ns;
	struct timespec now = { 0 };

	if (!value && e->interval_ns && e->ticks)
		value = 1; /* a periodic timer that has expired and waits for its reader */
	if (!value || !(e->settime_flags & TFD_TIMER_ABSTIME))
		return value;
	if (is_wall_clock(e->clockid) && e->has_dumped_ns)
		return (uint64_t)e->dumped_ns + value;
	clock_gettime(e->clockid, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec + value;
}

static int timerfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const TimerfdEntry *e = msg->timerfd;
	_cleanup_close_ int fd = timerfd_create(e->clockid, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec it = { .it_interval = to_timespec(e->interval_ns) };

	if (fd < 0)
		return log_errno(errno, "%s: timerfd_create(%d)", file_entry_name(msg), e->clockid);
	it.it_value = to_timespec(value_of(e));
	if (timerfd_settime(fd, (int)e->settime_flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET), &it,
			    NULL) < 0)
		return log_errno(errno, "%s: timerfd_settime", file_entry_name(msg));
	if (e->ticks && ioctl(fd, TFD_IOC_SET_TICKS, &e->ticks) < 0)
		return log_errno(errno, "%s: TFD_IOC_SET_TICKS", file_entry_name(msg));
	return take_fd(&fd);
}

const struct file_ops timerfd_ops = {
	.name = "timerfd",
	.kind = FILE_ENTRY__KIND_TIMERFD,
	.match = timerfd_match,
	.dump = timerfd_dump,
	.restore = timerfd_restore,
};
