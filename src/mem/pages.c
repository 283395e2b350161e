/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages must be kept: PAGEMAP_SCAN (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst) tells
 * present and swapped pages that are neither the zero page nor clean file pages. A page that several
 * dumped tasks map (copy-on-write after fork, KSM) is found by its frame number or swap slot in
 * /proc/PID/pagemap and stored once. Pages of shared anonymous memory are found by SEEK_DATA.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/log.h"
#include "mem/mm.h"

/* include/uapi/linux/fs.h of Linux 6.18 */
#define CTCR_PAGE_IS_FILE (1 << 2)
#define CTCR_PAGE_IS_PRESENT (1 << 3)
#define CTCR_PAGE_IS_SWAPPED (1 << 4)
#define CTCR_PAGE_IS_PFNZERO (1 << 5)
#define CTCR_PAGE_IS_GUARD (1 << 8)

struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define CTCR_PAGEMAP_SCAN _IOWR('f', 16, struct scan_arg)

#define PM_EXCLUSIVE (1ULL << 56)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)
#define PM_FRAME ((1ULL << 55) - 1)
#define ENTRIES 4096

struct scanner {
	struct mem_table *tab;
	struct mm *mm;
	int pagemap, mem; /* mem: /proc/PID/mem when first needed, else -1 */
	bool unreadable; /* the area cannot be read by its owner */
};

static int add_run(RunEntry ***runs, size_t *n, uint64_t start, uint64_t pages, uint64_t index)
{
	RunEntry *last = *n ? (*runs)[*n - 1] : NULL, *e;

	if (last && last->start + last->pages * PAGE == start && last->index + last->pages == index) {
		last->pages += pages;
		return 0;
	}
	if (!GROW(*runs, *n))
		return log_oom();
	e = malloc(sizeof(*e));
	if (!e)
		return log_oom();
	run_entry__init(e);
	e->start = start;
	e->pages = pages;
	e->index = index;
	(*runs)[(*n)++] = e;
	return 0;
}

static int add_source(struct mem_table *tab, const struct page_source *s)
{
	struct page_source *last = tab->n_sources ? &tab->sources[tab->n_sources - 1] : NULL;

	tab->n_pages += s->pages;
	if (last && last->pid == s->pid && last->fd == s->fd && last->addr + last->pages * PAGE == s->addr) {
		last->pages += s->pages;
		return 0;
	}
	if (!GROW(tab->sources, tab->n_sources) || !tab->sources)
		return log_oom();
	tab->sources[tab->n_sources++] = *s;
	return 0;
}

/*
 * Areas without PROT_READ are read through /proc/PID/mem, which ignores protections; pages shared
 * copy-on-write too, since process_vm_readv(2) would give the task copies of its own (FAULT_FLAG_UNSHARE).
 */
static int open_mem(struct scanner *s)
{
	if (s->mem >= 0)
		return 0;
	s->mem = openat(s->mm->task->proc, "mem", O_RDONLY | O_CLOEXEC);
	if (s->mem < 0)
		return log_errno(errno, "pid %d: cannot open its memory", s->mm->task->pid);
	s->mem = fd_high(s->mem);
	if (!GROW(s->tab->mem_fds, s->tab->n_mem_fds)) {
		close(s->mem);
		return log_oom();
	}
	s->tab->mem_fds[s->tab->n_mem_fds++] = s->mem;
	return 0;
}

/* Pages to be stored as new ones. */
static int add_new(struct scanner *s, uint64_t addr, uint64_t pages, bool by_mem)
{
	struct page_source src = { .index = s->tab->n_pages, .pages = pages, .addr = addr, .fd = -1 };
	int ret = by_mem ? open_mem(s) : 0;

	if (ret < 0)
		return ret;
	if (by_mem)
		src.fd = s->mem;
	else
		src.pid = s->mm->task->pid;
	ret = add_run(&s->mm->msg->runs, &s->mm->msg->n_runs, addr, pages, s->tab->n_pages);
	return ret < 0 ? ret : add_source(s->tab, &src);
}

/* One page several tasks may have, known by @key. */
static int add_shared(struct scanner *s, uint64_t addr, uint64_t key)
{
	uintptr_t index = (uintptr_t)map_get(&s->tab->frames, key);
	int ret;

	if (index) {
		s->tab->stats.pages_shared++;
		return add_run(&s->mm->msg->runs, &s->mm->msg->n_runs, addr, 1, index - 1);
	}
	ret = map_put(&s->tab->frames, key, (void *)(uintptr_t)(s->tab->n_pages + 1));
	return ret < 0 ? log_oom() : add_new(s, addr, 1, true);
}

/* 0: this task alone has it (or it cannot be told). */
static uint64_t sharing_key(uint64_t entry)
{
	if (entry & PM_PRESENT)
		return entry & PM_EXCLUSIVE ? 0 : entry & PM_FRAME;
	return entry & PM_SWAP ? (entry & PM_FRAME) | PM_SWAP : 0;
}

static int add_entries(struct scanner *s, uint64_t addr, const uint64_t *entries, size_t n)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < n;) {
		uint64_t key = sharing_key(entries[i]);
		size_t k = i + 1;

		if (key) {
			ret = add_shared(s, addr + i * PAGE, key);
		} else {
			while (k < n && !sharing_key(entries[k]))
				k++;
			ret = add_new(s, addr + i * PAGE, k - i, s->unreadable);
		}
		i = k;
	}
	return ret;
}

static int add_region(struct scanner *s, uint64_t start, uint64_t end)
{
	uint64_t entries[ENTRIES];

	s->tab->stats.pages_scanned += (end - start) / PAGE;
	for (uint64_t at = start; at < end;) {
		size_t n = MIN((end - at) / PAGE, (uint64_t)ENTRIES);
		int ret = pread_all(s->pagemap, entries, n * 8, (off_t)(at / PAGE * 8));

		if (ret < 0)
			return log_errno(ret, "pid %d: cannot read its pagemap", s->mm->task->pid);
		ret = add_entries(s, at, entries, n);
		if (ret < 0)
			return ret;
		at += n * PAGE;
	}
	return 0;
}

static int add_guard(struct mm *m, uint64_t start, uint64_t end)
{
	GuardEntry *g;

	if (!GROW(m->msg->guards, m->msg->n_guards))
		return log_oom();
	g = malloc(sizeof(*g));
	if (!g)
		return log_oom();
	guard_entry__init(g);
	g->start = start;
	g->pages = (end - start) / PAGE;
	m->msg->guards[m->msg->n_guards++] = g;
	return 0;
}

/* One PAGEMAP_SCAN; the number of regions. Kernels before 6.15 do not know guard pages. */
static int scan_call(struct scanner *s, struct scan_arg *arg)
{
	int n = ioctl(s->pagemap, CTCR_PAGEMAP_SCAN, arg);

	if (n < 0 && errno == EINVAL && arg->return_mask) {
		arg->return_mask = CTCR_PAGE_IS_PRESENT;
		n = ioctl(s->pagemap, CTCR_PAGEMAP_SCAN, arg);
	}
	return n < 0 ? log_errno(errno, "pid %d: PAGEMAP_SCAN (needs Linux 6.7)", s->mm->task->pid) : n;
}

static int scan_area(struct scanner *s, const AreaEntry *a)
{
	struct scan_region regions[512];
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = a->start,
		.end = a->end,
		.vec = (uintptr_t)regions,
		.vec_len = ARRAY_SIZE(regions),
		.category_mask = CTCR_PAGE_IS_FILE | CTCR_PAGE_IS_PFNZERO,
		.category_inverted = CTCR_PAGE_IS_FILE | CTCR_PAGE_IS_PFNZERO,
		.category_anyof_mask = CTCR_PAGE_IS_PRESENT | CTCR_PAGE_IS_SWAPPED,
		.return_mask = CTCR_PAGE_IS_PRESENT | CTCR_PAGE_IS_GUARD,
	};

	while (arg.start < a->end) {
		int n = scan_call(s, &arg), ret = 0;

		if (n < 0)
			return n;
		for (int i = 0; ret >= 0 && i < n; i++) {
			const struct scan_region *r = &regions[i];

			ret = r->categories & CTCR_PAGE_IS_GUARD ? add_guard(s->mm, r->start, r->end)
								 : add_region(s, r->start, r->end);
		}
		if (ret < 0)
			return ret;
		arg.start = arg.walk_end;
	}
	return 0;
}

int mm_scan_pages(struct mem_table *tab, struct mm *m)
{
	_cleanup_close_ int fd = openat(m->task->proc, "pagemap", O_RDONLY | O_CLOEXEC);
	struct scanner s = { .tab = tab, .mm = m, .pagemap = fd, .mem = -1 };
	int ret = 0;

	if (fd < 0)
		return log_errno(errno, "pid %d: cannot open its pagemap", m->task->pid);
	for (size_t i = 0; ret >= 0 && i < m->msg->n_areas; i++) {
		const AreaEntry *a = m->msg->areas[i];

		if (!area_private(a) || a->flags & AREA_FLAG__DROPPABLE)
			continue;
		s.unreadable = !(a->prot & PROT_READ);
		ret = scan_area(&s, a);
	}
	return ret;
}

int shmem_scan_pages(struct mem_table *tab, struct shmem *s)
{
	off_t at = 0;

	for (;;) {
		off_t data = lseek(s->fd, at, SEEK_DATA), hole;
		struct page_source src = { .index = tab->n_pages, .fd = s->fd };
		int ret;

		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(s->fd, data, SEEK_HOLE);
		if (hole < 0)
			return log_errno(errno, "shared memory %u: cannot seek data", s->msg->id);
		src.addr = ALIGN_DOWN((uint64_t)data, PAGE);
		src.pages = (ALIGN_UP((uint64_t)hole, PAGE) - src.addr) / PAGE;
		tab->stats.pages_scanned += src.pages;
		ret = add_run(&s->msg->runs, &s->msg->n_runs, src.addr, src.pages, src.index);
		if (ret >= 0)
			ret = add_source(tab, &src);
		if (ret < 0)
			return ret;
		at = hole;
	}
}
