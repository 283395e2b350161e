/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making an address space by the task's hand: unmap what is there, map every area, fill.
 *
 * A forked child keeps what it inherited from its parent where the image has the same kind of area
 * there, so that unchanged pages stay shared. Areas are mapped writable where pages have to be put in,
 * and get their own protections before children are cloned: areas that are separate in the parent stay
 * separate in a child, whatever it does to them later.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/shm.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "mem/mm.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define CTCR_MAP_DROPPABLE 8
#define GIVE_MAX 64

int mm_batch_error(const struct rtask *t, int err, const char *what)
{
	const struct remote_call *c = remote_failed(t->hand);

	if (c)
		return log_errno(err, "pid %d: %s: call %ld (%lx, %lx, %lx, %lx)", t->msg->pid, what,
				 (long)c->nr, c->args[0], c->args[1], c->args[2], c->args[3]);
	return log_errno(err, "pid %d: %s", t->msg->pid, what);
}

int mm_batch_room(const struct rtask *t, size_t bytes, const char *what)
{
	int ret;

	if (remote_calls_left(t->hand) > 1 && remote_room(t->hand) > bytes + 64)
		return 0;
	ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, what) : 0;
}

static int batch_end(const struct rtask *t, const char *what)
{
	int ret = remote_run(t->hand);

	return ret < 0 ? mm_batch_error(t, ret, what) : 0;
}

uint32_t area_build_prot(const MmEntry *mm, const AreaEntry *a)
{
	size_t i;

	if (!area_private(a) || a->prot & PROT_WRITE)
		return a->prot;
	if (a->flags & AREA_FLAG__ACCOUNT)
		return a->prot | PROT_WRITE;
	i = run_at(mm->runs, mm->n_runs, a->start);
	return i < mm->n_runs && mm->runs[i]->start < a->end ? a->prot | PROT_WRITE : a->prot;
}

/* ---- what a child keeps ---- */

#define KEEP_FLAGS                                                                                  \
	(AREA_FLAG__GROWSDOWN | AREA_FLAG__NORESERVE | AREA_FLAG__DROPPABLE | AREA_FLAG__HUGEPAGE | \
	 AREA_FLAG__NOHUGEPAGE)

/* @a can be made out of the parent's area @p that lies at its start. */
static bool same_memory(const AreaEntry *a, const AreaEntry *p)
{
	if (a->kind != p->kind || !area_private(p) || (a->flags ^ p->flags) & KEEP_FLAGS ||
	    !policy_equal(a->policy, p->policy))
		return false;
	if (p->flags & AREA_FLAG__ACCOUNT && !(a->flags & AREA_FLAG__ACCOUNT))
		return false;
	if (a->kind == AREA_KIND__ANON)
		return true;
	return a->object == p->object && a->offset - p->offset == a->start - p->start;
}

static void keep_areas(struct mm_state *st, const MmEntry *parent, bool keep_vdso)
{
	for (size_t i = 0; i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i];
		size_t k = area_at(parent, a->start);

		if (k == parent->n_areas)
			continue;
		if (a->kind == AREA_KIND__VDSO && keep_vdso && parent->areas[k]->kind == AREA_KIND__VDSO &&
		    parent->areas[k]->start == a->start)
			st->kept_end[i] = a->end;
		else if (area_private(a) && same_memory(a, parent->areas[k]))
			st->kept_end[i] = MIN(a->end, parent->areas[k]->end);
	}
}

/*
 * Two equal neighbours that are separate (after mremap(2), say) cannot both be kept from one area of the
 * parent: the smaller one is made anew.
 */
static void keep_apart(struct mm_state *st, const MmEntry *parent)
{
	for (size_t i = 1; i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i - 1], *b = st->msg->areas[i];

		if (!st->kept_end[i - 1] || !st->kept_end[i] || !area_mergeable(a, b) ||
		    area_at(parent, a->start) != area_at(parent, b->start))
			continue;
		st->kept_end[a->end - a->start < b->end - b->start ? i - 1 : i] = 0;
	}
}

static int unmap(const struct rtask *t, uint64_t start, uint64_t end)
{
	int ret;

	if (start >= end)
		return 0;
	ret = mm_batch_room(t, 0, "cannot unmap");
	remote_call(t->hand, SYS_munmap, start, end - start);
	return ret;
}

/* Unmap everything but the arena and what is kept. */
static int unmap_rest(const struct restore *r, const struct rtask *t, const struct mm_state *st)
{
	uint64_t at = 0, arena_end = r->arena + r->arena_size;
	bool arena_done = false;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		if (!st->kept_end[i])
			continue;
		if (!arena_done && r->arena < st->msg->areas[i]->start) {
			ret = unmap(t, at, r->arena);
			at = arena_end;
			arena_done = true;
		}
		if (ret >= 0)
			ret = unmap(t, at, st->msg->areas[i]->start);
		at = st->kept_end[i];
	}
	if (ret >= 0 && !arena_done) {
		ret = unmap(t, at, r->arena);
		at = arena_end;
	}
	if (ret >= 0)
		ret = unmap(t, at, TASK_TOP);
	return ret < 0 ? ret : batch_end(t, "cannot unmap");
}

/* Kept areas that have grown upwards since the fork; protections to fill them. */
static int adapt_kept(const struct rtask *t, const struct mm_state *st, const MmEntry *parent)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i], *p;
		uint64_t kept = st->kept_end[i];

		if (!kept || a->kind == AREA_KIND__VDSO)
			continue;
		p = parent->areas[area_at(parent, a->start)];
		ret = mm_batch_room(t, 0, "cannot adapt memory");
		if (kept < a->end)
			remote_call(t->hand, SYS_mremap, a->start, kept - a->start, a->end - a->start, 0);
		if (area_build_prot(st->msg, a) != p->prot)
			remote_call(t->hand, SYS_mprotect, a->start, a->end - a->start,
				    area_build_prot(st->msg, a));
	}
	return ret < 0 ? ret : batch_end(t, "cannot adapt memory");
}

/* ---- mapping ---- */

static void map_area(const struct rtask *t, const MmEntry *mm, const AreaEntry *a, int fd)
{
	uint64_t flags = MAP_FIXED_NOREPLACE | (a->shared ? MAP_SHARED : MAP_PRIVATE);

	if (a->flags & AREA_FLAG__DROPPABLE)
		flags = MAP_FIXED_NOREPLACE | CTCR_MAP_DROPPABLE;
	if (fd < 0)
		flags |= MAP_ANONYMOUS;
	if (a->flags & AREA_FLAG__GROWSDOWN)
		flags |= MAP_GROWSDOWN;
	if (a->flags & AREA_FLAG__NORESERVE)
		flags |= MAP_NORESERVE;
	remote_call(t->hand, SYS_mmap, a->start, a->end - a->start, area_build_prot(mm, a), flags, fd,
		    fd < 0 ? 0 : a->offset);
}

/* The segment, made once: memory of ours whose file is then mapped by all, as after a fork. */
static int shmem_get(struct restore *r, uint32_t id, bool noreserve)
{
	int *fd = &r->mms->shmem_fds[id - 1];
	uint64_t size = r->mms->shmems[id - 1]->size;
	char path[64];
	void *p;

	if (*fd >= 0)
		return *fd;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | (noreserve ? MAP_NORESERVE : 0), -1, 0);
	if (p == MAP_FAILED)
		return log_errno(errno, "cannot make %lu bytes of shared memory", size);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (uintptr_t)p, (uintptr_t)p + size);
	*fd = RET_NERRNO(open(path, O_RDWR | O_CLOEXEC));
	munmap(p, size);
	if (*fd >= 0)
		*fd = fd_high(*fd);
	return *fd < 0 ? log_errno(*fd, "%s: cannot open", path) : *fd;
}

static int object_fd(struct restore *r, const AreaEntry *a)
{
	return a->kind == AREA_KIND__FILE ? files_get(r, a->object)
					  : shmem_get(r, a->object, a->flags & AREA_FLAG__NORESERVE);
}

static bool needs_fd(const struct mm_state *st, size_t i)
{
	const AreaEntry *a = st->msg->areas[i];

	return !st->kept_end[i] && (a->kind == AREA_KIND__FILE || a->kind == AREA_KIND__SHMEM);
}

struct given {
	int ours[GIVE_MAX], theirs[GIVE_MAX];
	size_t n;
};

static size_t given_find(const struct given *g, int fd)
{
	size_t k = 0;

	while (k < g->n && g->ours[k] != fd)
		k++;
	return k;
}

/* Map the areas [from, to) that need one of the given descriptors, then close these. */
static int map_given(struct restore *r, const struct rtask *t, const struct mm_state *st, size_t from,
		     size_t to, struct given *g)
{
	int ret = g->n ? remote_give_fds(t->hand, g->ours, g->n, g->theirs) : 0;

	if (ret < 0)
		return log_errno(ret, "pid %d: cannot give it its mapped files", t->msg->pid);
	for (size_t i = from; ret >= 0 && i < to; i++) {
		if (!needs_fd(st, i))
			continue;
		ret = mm_batch_room(t, 0, "cannot map files");
		map_area(t, st->msg, st->msg->areas[i],
			 g->theirs[given_find(g, object_fd(r, st->msg->areas[i]))]);
	}
	for (size_t k = 0; ret >= 0 && k < g->n; k++) {
		ret = mm_batch_room(t, 0, "cannot map files");
		remote_call(t->hand, SYS_close, g->theirs[k]);
	}
	g->n = 0;
	return ret < 0 ? ret : batch_end(t, "cannot map files");
}

static int map_files(struct restore *r, const struct rtask *t, const struct mm_state *st)
{
	struct given g = { .n = 0 };
	size_t from = 0;
	int ret;

	for (size_t i = 0; i < st->msg->n_areas; i++) {
		int fd;

		if (!needs_fd(st, i))
			continue;
		fd = object_fd(r, st->msg->areas[i]);
		if (fd < 0)
			return fd;
		if (given_find(&g, fd) < g.n)
			continue;
		if (g.n == GIVE_MAX) {
			ret = map_given(r, t, st, from, i, &g);
			if (ret < 0)
				return ret;
			from = i;
		}
		g.ours[g.n++] = fd;
	}
	return map_given(r, t, st, from, st->msg->n_areas, &g);
}

static int map_anon(const struct rtask *t, const struct mm_state *st)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		if (st->kept_end[i] || st->msg->areas[i]->kind != AREA_KIND__ANON)
			continue;
		ret = mm_batch_room(t, 0, "cannot map memory");
		map_area(t, st->msg, st->msg->areas[i], -1);
	}
	return ret < 0 ? ret : batch_end(t, "cannot map memory");
}

static int map_vdso(struct restore *r, const struct rtask *t, const struct mm_state *st)
{
	for (size_t i = 0; i < st->msg->n_areas; i++) {
		long ret;

		if (st->msg->areas[i]->kind != AREA_KIND__VDSO)
			continue;
		if (st->kept_end[i])
			return 0;
		if (r->mms->proxy)
			return proxy_map(r, t, st->msg->areas[i]->start);
		ret = remote_syscall(t->hand, SYS_arch_prctl, CTCR_ARCH_MAP_VDSO_64,
				     st->msg->areas[i]->start);
		return ret < 0 ? log_errno(ret, "pid %d: cannot map the vdso", t->msg->pid) : 0;
	}
	return 0;
}

/* Unmap of the attached segment [base, base + size) what no area of it covers. */
static int trim_sysv(const struct rtask *t, const MmEntry *mm, uint32_t shmid, uint64_t base, uint64_t size)
{
	uint64_t at = base, end = base + ALIGN_UP(size, PAGE);
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->kind != AREA_KIND__SYSV || a->object != shmid || a->end <= base || a->start >= end)
			continue;
		ret = unmap(t, at, a->start);
		at = a->end;
	}
	if (ret >= 0)
		ret = unmap(t, at, end);
	return ret < 0 ? ret : batch_end(t, "cannot trim System V shared memory");
}

static int attach_sysv(const struct rtask *t, const MmEntry *mm, const AreaEntry *a)
{
	struct shmid_ds *ds = remote_alloc(t->hand, sizeof(*ds));
	uint64_t base = a->start - a->offset;
	int flags = a->flags & AREA_FLAG__MAYWRITE ? 0 : SHM_RDONLY, ret;

	if (a->prot & PROT_EXEC)
		flags |= SHM_EXEC;
	remote_call(t->hand, SYS_shmctl, a->object, IPC_STAT, remote_addr(t->hand, ds));
	remote_call(t->hand, SYS_shmat, a->object, base, flags);
	ret = remote_run(t->hand);
	if (ret < 0)
		return log_errno(ret, "pid %d: cannot attach System V shared memory %u at %lx", t->msg->pid,
				 a->object, base);
	return trim_sysv(t, mm, a->object, base, ds->shm_segsz);
}

/* Attached first: whole segments, of which pieces may have been unmapped since. */
static int map_sysv(const struct rtask *t, const MmEntry *mm)
{
	uint64_t last_base = 0;
	uint32_t last = 0;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->kind != AREA_KIND__SYSV)
			continue;
		if (last_base && last == a->object && last_base == a->start - a->offset)
			continue;
		last = a->object;
		last_base = a->start - a->offset;
		ret = attach_sysv(t, mm, a);
	}
	return ret;
}

static int advise_huge(const struct rtask *t, const struct mm_state *st)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++) {
		const AreaEntry *a = st->msg->areas[i];

		if (st->kept_end[i] || !(a->flags & (AREA_FLAG__HUGEPAGE | AREA_FLAG__NOHUGEPAGE)))
			continue;
		ret = mm_batch_room(t, 0, "cannot advise");
		remote_try(t->hand, SYS_madvise, a->start, a->end - a->start,
			   a->flags & AREA_FLAG__HUGEPAGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	}
	return ret < 0 ? ret : batch_end(t, "cannot advise");
}

/*
 * Our C library's restartable sequence, inherited by the first task: the kernel would kill the task
 * when it finds its area unmapped. Already gone: EINVAL, which is as well.
 */
static int forget_rseq(const struct rtask *t)
{
	uint64_t addr = (uintptr_t)__builtin_thread_pointer() + __rseq_offset;

	remote_try(t->hand, SYS_rseq, addr, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	return batch_end(t, "cannot unregister rseq");
}

static int protect_all(const struct rtask *t, const MmEntry *mm)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (area_build_prot(mm, a) == a->prot && a->kind != AREA_KIND__SYSV)
			continue;
		ret = mm_batch_room(t, 0, "cannot protect its memory");
		remote_call(t->hand, SYS_mprotect, a->start, a->end - a->start, a->prot);
	}
	return ret < 0 ? ret : batch_end(t, "cannot protect its memory");
}

static int map_all(struct restore *r, struct rtask *t, struct mm_state *st, const MmEntry *parent)
{
	int ret = unmap_rest(r, t, st);

	if (ret >= 0 && parent)
		ret = adapt_kept(t, st, parent);
	if (ret >= 0)
		ret = map_sysv(t, st->msg);
	if (ret >= 0)
		ret = map_vdso(r, t, st);
	if (ret >= 0)
		ret = map_anon(t, st);
	if (ret >= 0)
		ret = map_files(r, t, st);
	if (ret >= 0)
		ret = policy_restore_task(t, st->msg);
	for (size_t i = 0; ret >= 0 && i < st->msg->n_areas; i++)
		if (!st->kept_end[i])
			ret = policy_restore_area(t, st->msg->areas[i]);
	if (ret >= 0)
		ret = advise_huge(t, st);
	return ret < 0 ? ret : split_before_fill(t, st);
}

int mem_restore(struct restore *r, struct rtask *t)
{
	struct mm_state *st = t->msg->has_mm_id && t->hand ? mm_find(r, t->msg->mm_id) : NULL, *parent = NULL;
	int ret;

	if (!st || st->built)
		return 0;
	if (t->parent && t->parent->msg->has_mm_id)
		parent = mm_find(r, t->parent->msg->mm_id);
	if (parent && !parent->built)
		parent = NULL;
	st->kept_end = calloc(st->msg->n_areas + 1, sizeof(*st->kept_end));
	if (!st->kept_end)
		return log_oom();
	if (parent) {
		keep_areas(st, parent->msg, !r->mms->proxy);
		keep_apart(st, parent->msg);
	}
	ret = parent ? 0 : forget_rseq(t);
	if (ret >= 0)
		ret = map_all(r, t, st, parent ? parent->msg : NULL);
	if (ret >= 0)
		ret = mm_fill(r, t, st, parent);
	if (ret >= 0)
		ret = split_after_fill(t, st);
	if (ret >= 0)
		ret = protect_all(t, st->msg);
	st->built = ret >= 0;
	return ret;
}
