/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Switches of prctl(2): of a process, of a thread that reads no clock any more, and of one that has none. */
#include "zdtm.h"

#include <errno.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THP_EXCEPT_ADVISED 2 /* Linux 6.18 */

struct switches {
	int tsc, mce_kill, store_bypass, thp;
};

static int told[2], asked[2];

static struct switches now(void)
{
	struct switches s = { 0 };

	prctl(PR_GET_TSC, &s.tsc);
	s.mce_kill = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	s.store_bypass = prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
	s.thp = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	return s;
}

static void *thread(void *arg)
{
	struct switches s;
	char c;

	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) || prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0))
		fail("switches of the thread");
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0); /* not every processor */
	for (int i = 0; i < 2; i++) {
		s = now();
		if (write(told[1], &s, sizeof(s)) != sizeof(s) || read(asked[0], &c, 1) < 0)
			fail("thread");
	}
	return arg;
}

static struct switches hear(void)
{
	struct switches s;

	if (read(told[0], &s, sizeof(s)) != sizeof(s))
		pfail("the thread says nothing");
	return s;
}

static void same(const char *who, struct switches a, struct switches b)
{
	if (a.tsc != b.tsc)
		fail("%s: PR_GET_TSC was %d, now %d", who, a.tsc, b.tsc);
	if (a.mce_kill != b.mce_kill)
		fail("%s: PR_MCE_KILL_GET was %d, now %d", who, a.mce_kill, b.mce_kill);
	if (a.store_bypass != b.store_bypass)
		fail("%s: PR_GET_SPECULATION_CTRL was %d, now %d", who, a.store_bypass, b.store_bypass);
	if (a.thp != b.thp)
		fail("%s: PR_GET_THP_DISABLE was %d, now %d", who, a.thp, b.thp);
}

int main(int argc, char **argv)
{
	struct switches mine, its;
	pthread_t th;

	test_init(argc, argv);
	if (pipe(told) || pipe(asked))
		pfail("pipe");
	if (prctl(PR_SET_THP_DISABLE, 1, THP_EXCEPT_ADVISED, 0, 0) && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		pfail("PR_SET_THP_DISABLE");
	if (pthread_create(&th, NULL, thread, NULL))
		fail("pthread_create");
	its = hear();
	mine = now();
	if (its.tsc != PR_TSC_SIGSEGV || mine.tsc == its.tsc || mine.mce_kill == its.mce_kill)
		fail("the switches are not set");
	test_daemon();
	test_waitsig();
	same("main", mine, now());
	if (write(asked[1], "1", 1) != 1)
		pfail("write");
	same("thread", its, hear());
	pass();
}
