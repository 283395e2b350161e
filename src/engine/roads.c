/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/roads.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/log.h"
#include "engine/stage.h"

#define FILES_NEEDED 64 /* for a small task */

int engine_limits(void)
{
	struct rlimit lim = { .rlim_cur = RLIM_INFINITY };

	if (geteuid() != 0) {
		log_error("this needs root");
		return -EPERM;
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (lim.rlim_cur < FILES_NEEDED) {
		log_error("only %llu open files are allowed (ulimit -n); at least %d are needed, and as many "
			  "as the "
			  "tasks have",
			  (unsigned long long)lim.rlim_cur, FILES_NEEDED);
		return -EMFILE;
	}
	return 0;
}

bool reap_until(int pidfd, double end_ms)
{
	static const struct timespec nap = { 0, 200000 };
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
			;
		if (ppoll(&p, 1, &nap, NULL) > 0)
			return true;
		if (stage_now_ms() > end_ms)
			return false;
	}
}
