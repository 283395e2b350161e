/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interval timers and POSIX timers: ids, intervals, remaining times, clocks, thread targets. */
#include "zdtm.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct itimerval it = { { 100, 5 }, { 200, 0 } }, prof = { { 0, 0 }, { 3000, 0 } }, now;
	struct itimerspec ts = { { 50, 7 }, { 500, 0 } }, v;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	struct sigevent tev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 2 };
	int ids[5], probe;

	test_init(argc, argv);
	setitimer(ITIMER_REAL, &it, NULL);
	setitimer(ITIMER_PROF, &prof, NULL);
	tev._sigev_un._tid = getpid();
	for (int i = 0; i < 5; i++)
		if (syscall(SYS_timer_create, i == 3 ? CLOCK_REALTIME : CLOCK_MONOTONIC, i == 4 ? &tev : &ev, &ids[i]))
			pfail("timer_create");
	syscall(SYS_timer_delete, ids[1]);
	for (int i = 2; i < 5; i++)
		if (syscall(SYS_timer_settime, ids[i], 0, &ts, NULL))
			pfail("timer_settime");
	test_daemon();
	test_waitsig();
	getitimer(ITIMER_REAL, &now);
	if (now.it_interval.tv_sec != 100 || now.it_interval.tv_usec != 5 || now.it_value.tv_sec < 150 ||
	    now.it_value.tv_sec > 200)
		fail("ITIMER_REAL: %ld.%06ld left, interval %ld", now.it_value.tv_sec, now.it_value.tv_usec,
		     now.it_interval.tv_sec);
	getitimer(ITIMER_PROF, &now);
	if (now.it_value.tv_sec < 2900 || now.it_interval.tv_sec)
		fail("ITIMER_PROF: %ld left", now.it_value.tv_sec);
	if (syscall(SYS_timer_gettime, ids[1], &v) == 0)
		fail("a deleted timer is back");
	if (syscall(SYS_timer_gettime, ids[0], &v) || v.it_value.tv_sec)
		fail("the disarmed timer is not as it was");
	for (int i = 2; i < 5; i++)
		if (syscall(SYS_timer_gettime, ids[i], &v) || v.it_interval.tv_sec != 50 || v.it_interval.tv_nsec != 7 ||
		    v.it_value.tv_sec < 450 || v.it_value.tv_sec > 500)
			fail("timer %d: %ld left, interval %ld.%09ld", ids[i], v.it_value.tv_sec, v.it_interval.tv_sec,
			     v.it_interval.tv_nsec);
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &probe) || probe == ids[0])
		fail("a new timer gets a taken id");
	pass();
}
