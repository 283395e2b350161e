/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in until the roads are there. */
#include "base/log.h"
#include "engine/engine.h"

static int not_yet(void)
{
	log_error("not built into this ctcr yet");
	return -ENOSYS;
}

int engine_dump(const struct options *opt)
{
	return not_yet();
}

int engine_restore(const struct options *opt)
{
	return not_yet();
}

int engine_check(const struct options *opt)
{
	return not_yet();
}
