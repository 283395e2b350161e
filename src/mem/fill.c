/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page contents into place: preadv(2) by the hand straight from the page files, up to 1,024 pieces a
 * call. In areas a child kept from its parent only the pages that differ are read, and pages the child
 * has not are dropped.
 */
#include <sys/mman.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/mm.h"

#define PIECES 1024
#define CALL_PAGES ((1UL << 30) / PAGE) /* a read of more than 2 GiB would be cut */

struct filler {
	const struct rtask *t;
	const struct mm_store *s;
	int *fds; /* of the page files, in the hand */
	struct iovec iov[PIECES];
	size_t n_iov;
	uint64_t index, pages; /* of the call being built */
	size_t file;
	uint64_t file_first; /* page index the file begins with */
	struct {
		const struct remote_call *call;
		uint64_t bytes;
	} ops[SLOT_CALLS];
	size_t n_ops;
};

static int filler_run(struct filler *f)
{
	int ret = f->n_ops ? remote_run(f->t->hand) : 0;

	if (ret < 0)
		return mm_batch_error(f->t, ret, "cannot fill its memory");
	for (size_t i = 0; i < f->n_ops; i++)
		if ((uint64_t)f->ops[i].call->ret != f->ops[i].bytes)
			return log_errno(-EIO,
					 "pid %d: cannot fill its memory: read %ld of %lu bytes of pages",
					 f->t->msg->pid, (long)f->ops[i].call->ret, f->ops[i].bytes);
	f->n_ops = 0;
	return 0;
}

static int filler_room(struct filler *f, size_t bytes)
{
	struct remote *h = f->t->hand;

	if (f->n_ops && (remote_calls_left(h) < 2 || remote_room(h) < bytes + 64))
		return filler_run(f);
	return 0;
}

/* Queue the call being built. */
static int filler_flush(struct filler *f)
{
	size_t size = f->n_iov * sizeof(*f->iov);
	struct remote *h = f->t->hand;
	int ret;

	if (!f->n_iov)
		return 0;
	ret = filler_room(f, size);
	if (ret < 0)
		return ret;
	f->ops[f->n_ops].bytes = f->pages * PAGE;
	f->ops[f->n_ops++].call =
		remote_call(h, SYS_preadv, f->fds[f->file], remote_addr(h, remote_copy(h, f->iov, size)),
			    f->n_iov, (f->index - f->file_first) * PAGE, 0);
	f->n_iov = 0;
	f->pages = 0;
	return 0;
}

static void filler_select(struct filler *f, uint64_t index)
{
	f->file = 0;
	f->file_first = 0;
	while (index - f->file_first >= f->s->pages->files[f->file])
		f->file_first += f->s->pages->files[f->file++];
}

static int filler_add_piece(struct filler *f, uint64_t addr, uint64_t pages, uint64_t index)
{
	struct iovec *last = f->n_iov ? &f->iov[f->n_iov - 1] : NULL;
	int ret;

	if (last && index == f->index + f->pages && index - f->file_first < f->s->pages->files[f->file] &&
	    f->pages + pages <= CALL_PAGES && f->n_iov < PIECES) {
		f->iov[f->n_iov++] = (struct iovec){ (void *)(uintptr_t)addr, pages * PAGE };
		f->pages += pages;
		return 0;
	}
	ret = filler_flush(f);
	if (ret < 0)
		return ret;
	filler_select(f, index);
	f->index = index;
	f->iov[f->n_iov++] = (struct iovec){ (void *)(uintptr_t)addr, pages * PAGE };
	f->pages = pages;
	return 0;
}

static int filler_add(struct filler *f, uint64_t addr, uint64_t pages, uint64_t index)
{
	while (pages) {
		uint64_t first = 0, take;
		size_t k = 0;
		int ret;

		while (index - first >= f->s->pages->files[k])
			first += f->s->pages->files[k++];
		take = MIN(MIN(pages, first + f->s->pages->files[k] - index), CALL_PAGES);
		ret = filler_add_piece(f, addr, take, index);
		if (ret < 0)
			return ret;
		addr += take * PAGE;
		pages -= take;
		index += take;
	}
	return 0;
}

static int filler_drop(struct filler *f, uint64_t addr, uint64_t end)
{
	int ret = filler_room(f, 0);

	if (ret < 0)
		return ret;
	f->ops[f->n_ops].bytes = 0;
	f->ops[f->n_ops++].call = remote_call(f->t->hand, SYS_madvise, addr, end - addr, MADV_DONTNEED);
	return 0;
}

/* ---- private areas ---- */

static int fill_plain(struct filler *f, const MmEntry *mm, uint64_t start, uint64_t end)
{
	int ret = 0;

	for (size_t i = run_at(mm->runs, mm->n_runs, start); ret >= 0 && i < mm->n_runs; i++) {
		const RunEntry *e = mm->runs[i];
		uint64_t from = MAX(e->start, start), to = MIN(e->start + e->pages * PAGE, end);

		if (from >= end)
			break;
		ret = filler_add(f, from, (to - from) / PAGE, e->index + (from - e->start) / PAGE);
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

/* [start, end) came from the parent: make it the child's. */
static int fill_kept(struct filler *f, const MmEntry *mm, const MmEntry *parent, uint64_t start, uint64_t end)
{
	size_t c = run_at(mm->runs, mm->n_runs, start), p = run_at(parent->runs, parent->n_runs, start);
	int ret = 0;

	for (uint64_t at = start; ret >= 0 && at < end;) {
		uint64_t to = end;
		int64_t ours = page_at(mm, &c, at, &to), theirs = page_at(parent, &p, at, &to);

		if (ours < 0 && theirs >= 0)
			ret = filler_drop(f, at, to);
		else if (ours >= 0 && ours != theirs)
			ret = filler_add(f, at, (to - at) / PAGE, (uint64_t)ours);
		at = to;
	}
	return ret;
}

static int fill_private(struct filler *f, const struct mm_state *st, const struct mm_state *parent)
{
	const MmEntry *mm = st->msg;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];
		uint64_t kept = st->kept_end[i];

		if (!area_private(a))
			continue;
		if (kept)
			ret = fill_kept(f, mm, parent->msg, a->start, kept);
		if (ret >= 0)
			ret = fill_plain(f, mm, kept ? kept : a->start, a->end);
	}
	return ret;
}

/* ---- shared memory ---- */

/* The whole segment, mapped in the hand for a moment. */
static int fill_shmem(struct restore *r, struct filler *f, uint32_t id)
{
	const ShmemEntry *e = r->mms->shmems[id - 1];
	struct remote *h = f->t->hand;
	int fd, ret = remote_give_fds(h, &r->mms->shmem_fds[id - 1], 1, &fd);
	long base;

	if (ret < 0)
		return log_errno(ret, "pid %d: cannot give it shared memory", f->t->msg->pid);
	base = remote_syscall(h, SYS_mmap, 0, e->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base < 0)
		return log_errno(base, "pid %d: cannot map shared memory %u", f->t->msg->pid, id);
	for (size_t i = 0; ret >= 0 && i < e->n_runs; i++)
		ret = filler_add(f, (uint64_t)base + e->runs[i]->start, e->runs[i]->pages, e->runs[i]->index);
	if (ret >= 0)
		ret = filler_flush(f);
	if (ret >= 0)
		ret = filler_run(f);
	if (ret < 0)
		return ret;
	remote_call(h, SYS_munmap, base, e->size);
	remote_call(h, SYS_close, fd);
	ret = remote_run(h);
	r->mms->shmem_filled[id - 1] = ret >= 0;
	return ret < 0 ? mm_batch_error(f->t, ret, "cannot unmap shared memory") : 0;
}

static int fill_shmems(struct restore *r, struct filler *f, const MmEntry *mm)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->kind == AREA_KIND__SHMEM && !r->mms->shmem_filled[a->object - 1])
			ret = fill_shmem(r, f, a->object);
	}
	return ret;
}

static int fill_all(struct restore *r, struct filler *f, const struct mm_state *st,
		    const struct mm_state *parent)
{
	int ret = fill_shmems(r, f, st->msg);

	if (ret >= 0)
		ret = fill_private(f, st, parent);
	if (ret >= 0)
		ret = filler_flush(f);
	return ret < 0 ? ret : filler_run(f);
}

int mm_fill(struct restore *r, struct rtask *t, const struct mm_state *st, const struct mm_state *parent)
{
	_cleanup_free_ struct filler *f = calloc(1, sizeof(*f));
	_cleanup_free_ int *fds = calloc(r->mms->pages->n_files + 1, sizeof(int));
	int ret;

	if (!f || !fds)
		return log_oom();
	*f = (struct filler){ .t = t, .s = r->mms, .fds = fds };
	ret = remote_give_fds(t->hand, r->mms->page_fds, r->mms->pages->n_files, fds);
	if (ret < 0)
		return log_errno(ret, "pid %d: cannot give it the page files", t->msg->pid);
	ret = fill_all(r, f, st, parent);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < r->mms->pages->n_files; i++)
		remote_call(t->hand, SYS_close, fds[i]);
	ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, "cannot close the page files") : 0;
}
