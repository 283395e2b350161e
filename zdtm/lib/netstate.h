/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network tests: set up with commands of iproute2, and compare what such commands show before and
 * after. An argument list ends with NULL.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zdtm.h"

#define NETSTATE_MAX 65536

/* Run shell commands; all must succeed. */
static inline void net_setup(const char *const *commands)
{
	for (; *commands; commands++) {
		int ret = system(*commands);

		if (ret)
			fail("setup: %s: status %d", *commands, ret);
	}
}

/*
 * Wait until links have noticed their carriers and duplicate address detection is over, in the namespace
 * where
 * @in ("nsenter ... ") leads.
 */
static inline void net_settle(const char *in)
{
	char command[256];
	int tries = 0;

	snprintf(command, sizeof(command),
		 "! %sip -o link | grep -q 'LOWER_UP.* state [A-Z]*DOWN ' && "
		 "[ -z \"$(%sip -o -6 addr show tentative -dadfailed)\" ]",
		 in, in);
	while (system(command))
		if (++tries == 1000)
			fail("links and addresses do not come to rest");
		else
			usleep(10000);
}

/* What the commands print, one after the other; malloc()ed. */
static inline char *net_state(const char *const *commands)
{
	char *buf = calloc(1, NETSTATE_MAX);
	size_t len = 0;

	if (!buf)
		pfail("memory");
	for (; *commands; commands++) {
		FILE *p = popen(*commands, "r");
		int ret;

		if (!p)
			pfail("%s", *commands);
		len += snprintf(buf + len, NETSTATE_MAX - len, "$ %s\n", *commands);
		len += fread(buf + len, 1, NETSTATE_MAX - 1 - len, p);
		ret = pclose(p);
		if (ret || len >= NETSTATE_MAX - 1)
			fail("%s: status %d, %zu bytes", *commands, ret, len);
	}
	return buf;
}

/* Wait for SIGTERM, then compare; the first line that differs is the verdict. */
static inline void net_compare(const char *const *commands)
{
	char *before = net_state(commands), *after;
	char *b = before, *a;

	test_msg("before:\n%s", before);
	test_daemon();
	test_waitsig();
	a = after = net_state(commands);
	test_msg("after:\n%s", after);
	while (*b || *a) {
		size_t nb = strcspn(b, "\n"), na = strcspn(a, "\n");

		if (nb != na || strncmp(b, a, nb) != 0)
			fail("was \"%.*s\", is \"%.*s\"", (int)nb, b, (int)na, a);
		b += nb + (b[nb] == '\n');
		a += na + (a[na] == '\n');
	}
	free(before);
	free(after);
}

/* A whole test: what the commands of @setup make is as before. */
__attribute__((noreturn)) static inline void net_test(const char *const *setup, const char *const *state)
{
	net_setup(setup);
	net_settle("");
	net_compare(state);
	pass();
}
