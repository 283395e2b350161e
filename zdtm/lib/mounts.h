/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mounts of one or more processes as text that is the same before and after a restore: sorted, without
 * mount ids and device numbers, peer groups renumbered by appearance, devices told apart by appearance too.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zdtm.h"

#define MOUNTS_MAX 256

struct mounts_line {
	int who, id, parent, depth, shared, master, unbindable;
	char dev[24], root[512], point[512], opts[128], rest[512];
};

struct mounts {
	struct mounts_line l[MOUNTS_MAX];
	int n;
};

static int mounts_number(const char *tags, const char *key)
{
	const char *p = strstr(tags, key);

	return p ? atoi(p + strlen(key)) : 0;
}

static void mounts_read(struct mounts *m, int who, pid_t pid)
{
	char path[64], line[4096];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "r");
	if (!f)
		pfail("%s", path);
	while (fgets(line, sizeof(line), f)) {
		struct mounts_line *l = &m->l[m->n];
		char *dash = strstr(line, " - ");
		int used;

		if (m->n == MOUNTS_MAX || !dash)
			fail("mountinfo: %s", line);
		*dash = 0;
		memset(l, 0, sizeof(*l));
		if (sscanf(line, "%d %d %23s %511s %511s %127s%n", &l->id, &l->parent, l->dev, l->root,
			   l->point, l->opts, &used) != 6)
			fail("mountinfo: %s", line);
		l->who = who;
		l->shared = mounts_number(line + used, "shared:");
		l->master = mounts_number(line + used, "master:");
		l->unbindable = strstr(line + used, "unbindable") != NULL;
		snprintf(l->rest, sizeof(l->rest), "%s", dash + 3);
		m->n++;
	}
	fclose(f);
}

static int mounts_cmp(const void *a, const void *b)
{
	const struct mounts_line *x = a, *y = b;
	int d = strcmp(x->point, y->point);

	if (x->who != y->who)
		return x->who - y->who;
	return d ? d : x->depth - y->depth;
}

/* A number in order of first use. */
static int mounts_rank(int *seen, int *n, int id)
{
	int i;

	for (i = 0; i < *n; i++)
		if (seen[i] == id)
			return i + 1;
	seen[(*n)++] = id;
	return *n;
}

static int mounts_dev(char (*seen)[24], int *n, const char *dev)
{
	int i;

	for (i = 0; i < *n; i++)
		if (!strcmp(seen[i], dev))
			return i + 1;
	strcpy(seen[(*n)++], dev);
	return *n;
}

/* malloc()ed */
__attribute__((unused)) static char *mounts_text(const pid_t *pids, int n_pids)
{
	static struct mounts m;
	static char devs[MOUNTS_MAX][24];
	int groups[2 * MOUNTS_MAX], n_groups = 0, n_devs = 0, i, j;
	size_t size = 1 << 20, len = 0;
	char *text = malloc(size);

	m.n = 0;
	for (i = 0; i < n_pids; i++)
		mounts_read(&m, i, pids[i]);
	for (i = 0; i < m.n; i++) {
		int up = m.l[i].parent;

		for (j = 0; j < m.n; j++)
			if (m.l[j].who == m.l[i].who && m.l[j].id == up) {
				m.l[i].depth++;
				up = m.l[j].parent;
				j = -1;
			}
	}
	qsort(m.l, m.n, sizeof(m.l[0]), mounts_cmp);
	text[0] = 0;
	for (i = 0; i < m.n; i++) {
		struct mounts_line *l = &m.l[i];

		len += snprintf(text + len, size - len, "%d depth %d dev %d %s %s %s", l->who, l->depth,
				mounts_dev(devs, &n_devs, l->dev), l->root, l->point, l->opts);
		if (l->shared)
			len += snprintf(text + len, size - len, " shared:%d",
					mounts_rank(groups, &n_groups, l->shared));
		if (l->master)
			len += snprintf(text + len, size - len, " master:%d",
					mounts_rank(groups, &n_groups, l->master));
		len += snprintf(text + len, size - len, "%s - %s", l->unbindable ? " unbindable" : "",
				l->rest);
	}
	return text;
}

/* fail() unless they are the same; the first line that differs is told. */
__attribute__((unused)) static void mounts_compare(const char *before, const char *after)
{
	const char *a = before, *b = after;

	while (*a && *b) {
		int n = strcspn(a, "\n"), k = strcspn(b, "\n");

		if (n != k || strncmp(a, b, n)) {
			test_msg("before:\n%safter:\n%s", before, after);
			fail("mounts: before \"%.*s\", after \"%.*s\"", n, a, k, b);
		}
		a += n + 1;
		b += k + 1;
	}
	if (*a || *b) {
		test_msg("before:\n%safter:\n%s", before, after);
		fail("mounts: not the same number");
	}
}
