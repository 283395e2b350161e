/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to be put into a task's memory: all stored pages of its new areas and new shared memory; in
 * areas a child kept from its parent only the pages that differ, and those it has not are dropped.
 */
#include <sys/mman.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/feed.h"
#include "mem/mm.h"

static int fill_plain(struct feed *f, const MmEntry *mm, uint64_t start, uint64_t end)
{
	int ret = 0;

	for (size_t i = run_at(mm->runs, mm->n_runs, start); ret >= 0 && i < mm->n_runs; i++) {
		const RunEntry *e = mm->runs[i];
		uint64_t from = MAX(e->start, start), to = MIN(e->start + e->pages * PAGE, end);

		if (from >= end)
			break;
		ret = feed_add(f, from, (to - from) / PAGE, e->index + (from - e->start) / PAGE);
	}
	return ret;
}

/* What @mm has at @at: the page index or -1, and how far (at most *@end) it goes on so. */
static int64_t page_at(const MmEntry *mm, size_t *cursor, uint64_t at, uint64_t *end)
{
	const RunEntry *e;

	while (*cursor < mm->n_runs && mm->runs[*cursor]->start + mm->runs[*cursor]->pages * PAGE <= at)
		(*cursor)++;
	if (*cursor == mm->n_runs)
		return -1;
	e = mm->runs[*cursor];
	if (e->start > at) {
		*end = MIN(*end, e->start);
		return -1;
	}
	*end = MIN(*end, e->start + e->pages * PAGE);
	return (int64_t)(e->index + (at - e->start) / PAGE);
}

static int drop(const struct rtask *t, uint64_t start, uint64_t end)
{
	int ret = mm_batch_room(t, 0, "cannot drop pages");

	remote_call(t->hand, SYS_madvise, start, end - start, MADV_DONTNEED);
	return ret;
}

struct kept {
	const struct rtask *t;
	struct feed *feed;
	const MmEntry *mm, *parent;
	bool dropped; /* calls are queued */
};

/* [start, end) came from the parent: make it the child's. */
static int fill_kept(struct kept *k, uint64_t start, uint64_t end)
{
	size_t c = run_at(k->mm->runs, k->mm->n_runs, start);
	size_t p = run_at(k->parent->runs, k->parent->n_runs, start);
	int ret = 0;

	for (uint64_t at = start; ret >= 0 && at < end;) {
		uint64_t to = end;
		int64_t ours = page_at(k->mm, &c, at, &to), theirs = page_at(k->parent, &p, at, &to);

		if (ours < 0 && theirs >= 0) {
			ret = drop(k->t, at, to);
			k->dropped = true;
		} else if (ours >= 0 && ours != theirs) {
			ret = feed_add(k->feed, at, (to - at) / PAGE, (uint64_t)ours);
		}
		at = to;
	}
	return ret;
}

static int fill_private(struct feed *f, const struct rtask *t, const struct mm_state *st,
			const struct mm_state *parent)
{
	struct kept k = { .t = t, .feed = f, .mm = st->msg, .parent = parent ? parent->msg : NULL };
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i];
		uint64_t kept = st->kept_end[i];

		if (!area_private(a))
			continue;
		if (kept && parent)
			ret = fill_kept(&k, a->start, kept);
		if (ret >= 0)
			ret = fill_plain(f, st->msg, kept ? kept : a->start, a->end);
	}
	if (ret >= 0 && k.dropped)
		ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, "cannot fill its memory") : feed_run(f);
}

/* The whole segment, mapped in the hand for a moment. */
static int fill_shmem(struct restore *r, const struct rtask *t, struct feed *f, uint32_t id)
{
	const ShmemEntry *e = r->mms->shmems[id - 1];
	struct remote *h = t->hand;
	int fd, ret = remote_give_fds(h, &r->mms->shmem_fds[id - 1], 1, &fd);
	long base;

	if (ret < 0)
		return log_errno(ret, "pid %d: cannot give it shared memory", t->msg->pid);
	base = remote_syscall(h, SYS_mmap, 0, e->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base < 0)
		return log_errno(base, "pid %d: cannot map shared memory %u", t->msg->pid, id);
	for (size_t i = 0; ret >= 0 && i < e->n_runs; i++)
		ret = feed_add(f, (uint64_t)base + e->runs[i]->start, e->runs[i]->pages, e->runs[i]->index);
	if (ret >= 0)
		ret = feed_run(f);
	if (ret < 0)
		return ret;
	remote_call(h, SYS_munmap, base, e->size);
	remote_call(h, SYS_close, fd);
	ret = remote_run(h);
	r->mms->shmem_filled[id - 1] = ret >= 0;
	return ret < 0 ? mm_batch_error(t, ret, "cannot unmap shared memory") : 0;
}

static int fill_shmems(struct restore *r, const struct rtask *t, struct feed *f, const MmEntry *mm)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->kind == AREA_KIND__SHMEM && !r->mms->shmem_filled[a->object - 1])
			ret = fill_shmem(r, t, f, a->object);
	}
	return ret;
}

int mm_fill(struct restore *r, struct rtask *t, const struct mm_state *st, const struct mm_state *parent)
{
	struct feed *f = feed_new(r, t);
	int ret, err;

	if (!f)
		return -ENOMEM;
	ret = fill_shmems(r, t, f, st->msg);
	if (ret >= 0)
		ret = fill_private(f, t, st, parent);
	err = feed_end(f);
	return ret < 0 ? ret : err;
}
