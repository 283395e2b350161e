/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbours that could be one area but are two (mremap(2) and others act on one only).
 *
 * The kernel merges adjacent areas of equal properties unless both have pages and their anon_vma
 * differs (mm/vma.c, is_mergeable_anon_vma()). So the second of such a pair is mapped with another
 * flag (MADV_DONTDUMP) until both have had a page of their own.
 */
#include <sys/mman.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/mm.h"

#define CTCR_MADV_POPULATE_WRITE 23

static bool same_name(const AreaEntry *a, const AreaEntry *b)
{
	return a->name && b->name ? streq(a->name, b->name) : a->name == b->name;
}

bool area_mergeable(const AreaEntry *a, const AreaEntry *b)
{
	if (a->end != b->start || a->kind != b->kind || a->prot != b->prot || a->flags != b->flags ||
	    !area_private(a) || !area_private(b) || !same_name(a, b) || !policy_equal(a->policy, b->policy))
		return false;
	return a->kind == AREA_KIND__ANON ||
	       (a->object == b->object && b->offset - a->offset == b->start - a->start);
}

/* Area @i must not melt into the one before it. */
static bool needs_split(const struct mm_state *st, size_t i)
{
	return i && area_mergeable(st->msg->areas[i - 1], st->msg->areas[i]) &&
	       area_build_prot(st->msg, st->msg->areas[i]) & PROT_WRITE;
}

/* Of a chain of neighbours every second new one is marked. */
static bool marked(const struct mm_state *st, size_t i)
{
	size_t n = 0;

	if (st->kept_end[i] || !needs_split(st, i))
		return false;
	for (; needs_split(st, i - n) && !st->kept_end[i - n]; n++)
		;
	return n % 2;
}

int split_before_fill(const struct rtask *t, const struct mm_state *st)
{
	bool any = false;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i];

		if (!marked(st, i))
			continue;
		any = true;
		ret = mm_batch_room(t, 0, "cannot split memory");
		remote_call(t->hand, SYS_madvise, a->start, a->end - a->start, MADV_DONTDUMP);
	}
	if (ret >= 0 && any)
		ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, "cannot split memory") : 0;
}

/* A page in area @i, if the fill has put none there: touched and dropped again. */
static int touch(const struct rtask *t, const struct mm_state *st, size_t i)
{
	const AreaEntry *a = st->msg->areas[i];
	size_t k = run_at(st->msg->runs, st->msg->n_runs, a->start);
	int ret;

	if (st->kept_end[i] || (k < st->msg->n_runs && st->msg->runs[k]->start < a->end))
		return 0;
	ret = mm_batch_room(t, 0, "cannot split memory");
	remote_call(t->hand, SYS_madvise, a->start, PAGE, CTCR_MADV_POPULATE_WRITE);
	if (ret >= 0)
		ret = mm_batch_room(t, 0, "cannot split memory");
	remote_call(t->hand, SYS_madvise, a->start, PAGE, MADV_DONTNEED);
	return ret;
}

int split_after_fill(const struct rtask *t, const struct mm_state *st)
{
	bool any = false;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		if (!needs_split(st, i))
			continue;
		any = true;
		ret = touch(t, st, i - 1);
		if (ret >= 0)
			ret = touch(t, st, i);
	}
	for (size_t i = 0; ret >= 0 && any && i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i];

		if (!marked(st, i) || a->flags & AREA_FLAG__DONTDUMP)
			continue;
		ret = mm_batch_room(t, 0, "cannot split memory");
		remote_call(t->hand, SYS_madvise, a->start, a->end - a->start, MADV_DODUMP);
	}
	if (ret >= 0 && any)
		ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, "cannot split memory") : 0;
}
