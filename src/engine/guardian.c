/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guardian.h"

#include "base/io.h"
#include "base/log.h"
#include "cgroup/cgroup.h"

struct thaw {
	int fd;
	const char *text;
};

static void thaw(void *arg)
{
	const struct thaw *t = arg;

	(void)write_all(t->fd, t->text, strlen(t->text));
}

int guardian_start(struct guard *g, const struct freezer *f)
{
	struct thaw t = { .text = "" };
	int ret;

	t.fd = freezer_thaw_fd(f, &t.text);
	if (t.fd < 0)
		return log_errno(t.fd, "freezer of the container");
	ret = guard_start(g, thaw, &t, &t.fd, 1);
	return ret < 0 ? log_errno(ret, "guardian") : 0;
}
