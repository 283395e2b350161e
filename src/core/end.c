/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text by which a user says where the other end of a link is to be. */
#include <limits.h>

#include "base/parse.h"
#include "core/options.h"

/* As dev_valid_name(), and no pattern of which the kernel would make a name (eth%d). */
static int copy_name(char to[16], const char *from, size_t len)
{
	if (len == 0 || len >= 16 || (len <= 2 && strncmp(from, "..", len) == 0))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (strchr("/:% \t\n\v\f\r", from[i]))
			return -EINVAL;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

/* "netns=NAME", "container=NAME", "pid=N", "host" */
static int parse_where(const char *text, struct link_end *e)
{
	uint32_t pid;

	if (streq(text, "host")) {
		e->where = END_HOST;
		return 0;
	}
	if ((e->place = startswith(text, "netns=")))
		e->where = END_NETNS;
	else if ((e->place = startswith(text, "container=")))
		e->where = END_CONTAINER;
	if (e->place)
		return *e->place ? 0 : -EINVAL;
	text = startswith(text, "pid=");
	if (!text || parse_u32(text, 10, &pid) < 0 || !pid || pid > INT_MAX)
		return -EINVAL;
	e->where = END_PID;
	e->pid = (pid_t)pid;
	return 0;
}

int link_end_parse(const char *text, struct link_end *ret)
{
	const char *comma = strchr(text, ',');
	size_t len = comma ? (size_t)(comma - text) : strlen(text);
	const char *at = memchr(text, '@', len);
	size_t name = at ? (size_t)(at - text) : len;
	struct link_end e = { 0 };
	int err = comma ? parse_where(comma + 1, &e) : 0;

	if (err == 0 && (name || !comma))
		err = copy_name(e.name, text, name);
	if (err == 0 && at)
		err = copy_name(e.bridge, at + 1, len - name - 1);
	if (err == 0)
		*ret = e;
	return err;
}
