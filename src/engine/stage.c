/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/stage.h"

#include <signal.h>
#include <time.h>

#include "base/log.h"

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };

double stage_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void stop_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		sigaddset(&set, stop_signals[i]);
	sigprocmask(how, &set, NULL);
}

void stages_block_signals(void)
{
	stop_mask(SIG_BLOCK);
	signal(SIGPIPE, SIG_IGN);
}

void stages_unblock_signals(void)
{
	stop_mask(SIG_UNBLOCK);
}

static int interrupted(void)
{
	sigset_t set;

	sigpending(&set);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		if (sigismember(&set, stop_signals[i])) {
			log_error("stopped by %s; everything is taken back", strsignal(stop_signals[i]));
			return -EINTR;
		}
	return 0;
}

/* For tests: CTCR_FAIL_STAGE=NAME fails that stage after it ran. */
static int injected(const char *name)
{
	const char *fail = getenv("CTCR_FAIL_STAGE");

	if (!fail || !streq(fail, name))
		return 0;
	log_error("stage %s: failed as CTCR_FAIL_STAGE asks", name);
	return -EIO;
}

static void unwind(const struct stage *stages, size_t n, void *ctx)
{
	while (n-- > 0)
		if (stages[n].undo)
			stages[n].undo(ctx);
}

int stages_run(const struct stage *stages, size_t n, void *ctx, double *ms)
{
	bool committed = false;
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		double begin = stage_now_ms();
		int ret = committed ? 0 : interrupted();

		if (ret >= 0)
			ret = stages[i].run(ctx);
		ms[i] = stage_now_ms() - begin;
		if (ret >= 0)
			ret = injected(stages[i].name);
		log_debug("stage %s: %.2f ms%s", stages[i].name, ms[i], ret < 0 ? ", failed" : "");
		if (ret < 0 && !first)
			first = ret;
		if (ret < 0 && !committed) {
			unwind(stages, i + 1, ctx);
			return ret;
		}
		committed = committed || stages[i].commit;
	}
	return first;
}
