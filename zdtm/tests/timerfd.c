/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timerfds: remaining time, interval, unread expirations, an absolute wall-clock moment, a disarmed one. */
#include "zdtm.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int make(int clock, int flags, long value, long interval)
{
	struct itimerspec it = { .it_value.tv_sec = value, .it_interval.tv_sec = interval };
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, flags, &it, NULL) < 0)
		pfail("timerfd");
	return fd;
}

static long left(int fd, long *interval)
{
	struct itimerspec it;

	if (timerfd_gettime(fd, &it) < 0)
		pfail("timerfd_gettime");
	*interval = it.it_interval.tv_sec;
	return it.it_value.tv_sec;
}

int main(int argc, char **argv)
{
	struct itimerspec now = { .it_value.tv_nsec = 1 };
	int rel, abs_mono, wall, off, fired;
	struct timespec ts, wt;
	uint64_t ticks;
	long n, iv;

	test_init(argc, argv);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	clock_gettime(CLOCK_REALTIME, &wt);
	rel = make(CLOCK_MONOTONIC, 0, 10000, 50);
	abs_mono = make(CLOCK_BOOTTIME, TFD_TIMER_ABSTIME, ts.tv_sec + 200000, 0);
	wall = make(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, wt.tv_sec + 300000, 0);
	off = make(CLOCK_REALTIME, 0, 0, 0);
	fired = make(CLOCK_MONOTONIC, 0, 0, 0);
	if (timerfd_settime(fired, 0, &now, NULL) < 0)
		pfail("settime");
	while (left(fired, &iv) || usleep(1000))
		;
	usleep(20000);
	test_daemon();
	test_waitsig();
	n = left(rel, &iv);
	if (n < 9000 || n > 10000 || iv != 50)
		fail("relative: %ld left, interval %ld", n, iv);
	n = left(abs_mono, &iv);
	if (n < 100000 || n > 200001 + ts.tv_sec)
		fail("absolute: %ld left", n);
	clock_gettime(CLOCK_REALTIME, &ts);
	n = left(wall, &iv) + ts.tv_sec - wt.tv_sec;
	if (n < 299998 || n > 300001)
		fail("wall clock: its moment moved by %ld s", n - 300000);
	if (left(off, &iv) || iv)
		fail("the disarmed one runs");
	if (read(fired, &ticks, 8) != 8 || ticks != 1)
		fail("the unread expiration is lost");
	if (read(rel, &ticks, 8) >= 0)
		fail("expired too early");
	pass();
}
