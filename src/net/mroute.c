/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Multicast routing: refused. Its interfaces and routes belong to one socket of a daemon (MRT_INIT), and
 * nobody tells which one. /proc/net/ip_mr_vif and ip6_mr_vif list the interfaces, one a line.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"

struct vifs {
	char *v4, *v6; /* NULL: a kernel without */
};

static int read_inside(void *arg)
{
	struct vifs *v = arg;

	if (read_text_at(AT_FDCWD, "/proc/thread-self/net/ip_mr_vif", &v->v4) < 0)
		v->v4 = NULL;
	if (read_text_at(AT_FDCWD, "/proc/thread-self/net/ip6_mr_vif", &v->v6) < 0)
		v->v6 = NULL;
	return 0;
}

/* More than the line of titles. */
static bool has_lines(const char *text)
{
	const char *end = text ? strchr(text, '\n') : NULL;

	return end && end[1];
}

int mroute_survey(struct net_dump *n)
{
	struct vifs v = { 0 };
	int ret = netns_call(n->ns->fd, read_inside, &v);

	for (int i = 0; i < 2 && ret == 0; i++)
		if (has_lines(i ? v.v6 : v.v4))
			ret = dump_obstacle(
				n->d,
				"network namespace %u: a program routes IPv%d multicast (%s), which is "
				"not supported; stop it",
				n->msg->ns_id, i ? 6 : 4, i ? "ip6_mr_vif" : "ip_mr_vif");
	free(v.v4);
	free(v.v6);
	return ret;
}
