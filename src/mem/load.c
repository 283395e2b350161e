/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the memory images, with every number checked; finding room for the arena. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mem/mm.h"

#define PAGE_FILES_MAX 64
#define AUXV_MAX 512
#define PAGES_MAX (1ULL << 40)

static int bad(const MmEntry *mm, const char *what, uint64_t at)
{
	log_error("mms.img: memory %u: %s at %lx; the image is damaged", mm->id, what, at);
	return -EBADMSG;
}

struct mm_state *mm_find(const struct restore *r, uint32_t id)
{
	for (size_t i = 0; i < r->mms->n_mms; i++)
		if (r->mms->mms[i]->id == id)
			return &r->mms->states[i];
	return NULL;
}

size_t area_at(const MmEntry *mm, uint64_t addr)
{
	size_t lo = 0, hi = mm->n_areas;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (mm->areas[mid]->end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < mm->n_areas && mm->areas[lo]->start <= addr ? lo : mm->n_areas;
}

size_t run_at(RunEntry *const *runs, size_t n, uint64_t addr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (runs[mid]->start + runs[mid]->pages * PAGE <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool area_object_valid(const struct mm_store *s, const AreaEntry *a)
{
	const ShmemEntry *shm;

	switch (a->kind) {
	case AREA_KIND__ANON:
		return !a->shared;
	case AREA_KIND__VDSO:
		return !a->shared && s->vdso;
	case AREA_KIND__FILE:
		return a->has_object;
	case AREA_KIND__SYSV:
		return a->has_object && a->shared && a->object <= INT32_MAX && a->offset <= a->start;
	case AREA_KIND__SHMEM:
		if (!a->has_object || !a->shared || !a->object || a->object > s->n_shmems)
			return false;
		shm = s->shmems[a->object - 1];
		return a->offset <= shm->size && a->end - a->start <= shm->size - a->offset;
	default:
		return false;
	}
}

static int check_areas(const struct mm_store *s, const MmEntry *mm)
{
	uint64_t last = PAGE;

	for (size_t i = 0; i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->start < last || a->start >= a->end || a->end > TASK_TOP ||
		    (a->start | a->end | a->offset) & (PAGE - 1) || a->prot > 7 || !policy_valid(a->policy))
			return bad(mm, "bad area", a->start);
		if (!area_object_valid(s, a))
			return bad(mm, "area of a bad kind", a->start);
		last = a->end;
	}
	return 0;
}

static int check_vdso_areas(const struct mm_store *s, const MmEntry *mm)
{
	size_t n = 0;
	uint64_t at = 0;

	for (size_t i = 0; i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (a->kind != AREA_KIND__VDSO)
			continue;
		if (n >= s->vdso->n_parts || (at && a->start != at) ||
		    a->end - a->start != s->vdso->parts[n]->size)
			return bad(mm, "bad vdso", a->start);
		at = a->end;
		n++;
	}
	return n && n != s->vdso->n_parts ? bad(mm, "incomplete vdso", at) : 0;
}

static bool run_valid(const struct mm_store *s, const RunEntry *e, uint64_t last, uint64_t top)
{
	return e->pages && e->pages < PAGES_MAX && !(e->start & (PAGE - 1)) && e->start >= last &&
	       e->start < top && e->pages * PAGE <= top - e->start && e->index <= s->pages->pages &&
	       e->pages <= s->pages->pages - e->index;
}

/* All of [start, end) is private memory. */
static bool is_private(const MmEntry *mm, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t i = area_at(mm, start);

		if (i == mm->n_areas || !area_private(mm->areas[i]))
			return false;
		start = mm->areas[i]->end;
	}
	return true;
}

static int check_runs(const struct mm_store *s, const MmEntry *mm)
{
	uint64_t last = 0;

	for (size_t i = 0; i < mm->n_runs; i++) {
		const RunEntry *e = mm->runs[i];

		if (!run_valid(s, e, last, TASK_TOP) || !is_private(mm, e->start, e->start + e->pages * PAGE))
			return bad(mm, "bad run of pages", e->start);
		last = e->start + e->pages * PAGE;
	}
	for (size_t i = 0; i < mm->n_guards; i++) {
		const GuardEntry *g = mm->guards[i];

		if (g->start & (PAGE - 1) || g->start >= TASK_TOP || !g->pages ||
		    g->pages > (TASK_TOP - g->start) / PAGE ||
		    !is_private(mm, g->start, g->start + g->pages * PAGE))
			return bad(mm, "bad guard pages", g->start);
	}
	return 0;
}

static int check_mm(const struct mm_store *s, const MmEntry *mm)
{
	int ret = check_areas(s, mm);

	if (ret >= 0)
		ret = check_vdso_areas(s, mm);
	if (ret >= 0)
		ret = check_runs(s, mm);
	if (ret >= 0 && (!mm->auxv.len || mm->auxv.len > AUXV_MAX || mm->auxv.len % 16))
		ret = bad(mm, "bad auxv", mm->auxv.len);
	if (ret >= 0 && !policy_valid(mm->policy))
		ret = bad(mm, "bad NUMA policy", 0);
	return ret;
}

static int check_shmems(const struct mm_store *s)
{
	for (size_t i = 0; i < s->n_shmems; i++) {
		const ShmemEntry *e = s->shmems[i];
		uint64_t last = 0;
		bool ok = e->id == i + 1 && e->size && e->size <= TASK_TOP && !(e->size & (PAGE - 1));

		for (size_t k = 0; ok && k < e->n_runs; k++) {
			ok = run_valid(s, e->runs[k], last, e->size);
			last = e->runs[k]->start + e->runs[k]->pages * PAGE;
		}
		if (!ok) {
			log_error("shmem.img: segment %u is not valid; the image is damaged", e->id);
			return -EBADMSG;
		}
	}
	return 0;
}

static int open_page_files(struct restore *r)
{
	struct mm_store *s = r->mms;
	uint64_t sum = 0;

	if (s->pages->n_files > PAGE_FILES_MAX)
		return log_errno(-EBADMSG, "pages.img: %zu page files", s->pages->n_files);
	s->page_fds = malloc((s->pages->n_files + 1) * sizeof(int));
	if (!s->page_fds)
		return log_oom();
	for (size_t i = 0; i < s->pages->n_files; i++)
		s->page_fds[i] = -1;
	for (size_t i = 0; i < s->pages->n_files; i++) {
		char name[32];
		struct stat st;

		snprintf(name, sizeof(name), "pages-%zu.img", i + 1);
		s->page_fds[i] = image_raw_open(r->img, name);
		if (s->page_fds[i] < 0)
			return log_errno(s->page_fds[i], "%s: pages.img names it; the image is damaged",
					 name);
		if (fstat(s->page_fds[i], &st) < 0 || s->pages->files[i] > PAGES_MAX ||
		    (uint64_t)st.st_size != s->pages->files[i] * PAGE)
			return log_errno(-EBADMSG, "%s: not of the size pages.img says", name);
		sum += s->pages->files[i];
	}
	return sum == s->pages->pages ? 0 : log_errno(-EBADMSG, "pages.img: wrong sum of pages");
}

static int check_all(struct restore *r)
{
	struct mm_store *s = r->mms;
	int ret = check_shmems(s);

	for (size_t i = 0; ret >= 0 && i < s->n_mms; i++) {
		for (size_t k = 0; k < i; k++)
			if (s->mms[k]->id == s->mms[i]->id)
				return bad(s->mms[i], "two of this id", 0);
		ret = check_mm(s, s->mms[i]);
	}
	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++) {
		const TaskEntry *t = r->tasks[i].msg;

		if (t->has_mm_id && t->mm_id && !mm_find(r, t->mm_id))
			ret = log_errno(-EBADMSG, "task %u: there is no memory %u in mms.img", t->id,
					t->mm_id);
	}
	return ret;
}

static int load_vdso(struct restore *r)
{
	struct mm_store *s = r->mms;
	int ret;

	if (!image_has(r->img, "vdso.img"))
		return 0;
	ret = image_read_one(r->img, "vdso", &vdso_entry__descriptor, (ProtobufCMessage **)&s->vdso);
	if (ret < 0)
		return ret;
	ret = vdso_read(&s->vdso_now);
	if (ret < 0)
		return log_errno(ret, "this kernel has no vdso (vdso=0), the image needs one");
	s->proxy = !vdso_compatible(s->vdso, s->vdso_now);
	return 0;
}

int mem_load(struct restore *r)
{
	struct mm_store *s = r->mms = calloc(1, sizeof(*r->mms));
	int ret;

	if (!s)
		return log_oom();
	ret = load_vdso(r);
	if (ret >= 0)
		ret = image_read(r->img, "mms", &mm_entry__descriptor, (ProtobufCMessage ***)&s->mms,
				 &s->n_mms);
	if (ret >= 0)
		ret = image_read(r->img, "shmem", &shmem_entry__descriptor, (ProtobufCMessage ***)&s->shmems,
				 &s->n_shmems);
	if (ret >= 0)
		ret = image_read_one(r->img, "pages", &pages_entry__descriptor,
				     (ProtobufCMessage **)&s->pages);
	if (ret < 0)
		return ret;
	s->states = calloc(s->n_mms + 1, sizeof(*s->states));
	s->shmem_fds = malloc((s->n_shmems + 1) * sizeof(int));
	s->shmem_filled = calloc(s->n_shmems + 1, sizeof(bool));
	if (!s->states || !s->shmem_fds || !s->shmem_filled)
		return log_oom();
	for (size_t i = 0; i < s->n_mms; i++)
		s->states[i].msg = s->mms[i];
	for (size_t i = 0; i < s->n_shmems; i++)
		s->shmem_fds[i] = -1;
	ret = open_page_files(r);
	if (ret >= 0)
		ret = check_all(r);
	return ret >= 0 && s->proxy ? proxy_check(r) : ret;
}

uint64_t mem_pages(const struct restore *r)
{
	return r->mms && r->mms->pages ? r->mms->pages->pages : 0;
}

void mem_restore_done(struct restore *r)
{
	struct mm_store *s = r->mms;

	if (!s)
		return;
	for (size_t i = 0; i < s->n_mms && s->states; i++)
		free(s->states[i].kept_end);
	for (size_t i = 0; s->page_fds && i < s->pages->n_files; i++)
		close_fd(&s->page_fds[i]);
	for (size_t i = 0; i < s->n_shmems && s->shmem_fds; i++)
		close_fd(&s->shmem_fds[i]);
	image_messages_free((ProtobufCMessage **)s->mms, s->n_mms);
	image_messages_free((ProtobufCMessage **)s->shmems, s->n_shmems);
	if (s->pages)
		pages_entry__free_unpacked(s->pages, NULL);
	if (s->vdso)
		vdso_entry__free_unpacked(s->vdso, NULL);
	if (s->vdso_now)
		vdso_entry__free_unpacked(s->vdso_now, NULL);
	free(s->states);
	free(s->page_fds);
	free(s->shmem_fds);
	free(s->shmem_filled);
	free(s);
	r->mms = NULL;
}

/* ---- room for the arena ---- */

struct range {
	uint64_t start, end;
};

struct ranges {
	struct range *r;
	size_t n;
};

static int add_range(struct ranges *l, uint64_t start, uint64_t end)
{
	if (!GROW(l->r, l->n))
		return log_oom();
	l->r[l->n++] = (struct range){ start, end };
	return 0;
}

static int cmp_range(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* What is taken: every area of the image, and our own, which the first task starts with. */
static int taken_ranges(struct restore *r, struct ranges *l)
{
	_cleanup_(vmas_done) struct vma_list own = { 0 };
	_cleanup_free_ char *text = NULL;
	int ret = read_text_at(AT_FDCWD, "/proc/self/maps", &text);

	if (ret >= 0)
		ret = vmas_parse(text, &own);
	for (size_t i = 0; ret >= 0 && i < own.n && own.v[i].end <= TASK_TOP; i++)
		ret = add_range(l, own.v[i].start, own.v[i].end);
	if (ret >= 0 && r->arena_size)
		ret = add_range(l, r->arena, r->arena + r->arena_size);
	for (size_t i = 0; ret >= 0 && i < r->mms->n_mms; i++)
		for (size_t k = 0; ret >= 0 && k < r->mms->mms[i]->n_areas; k++)
			ret = add_range(l, r->mms->mms[i]->areas[k]->start, r->mms->mms[i]->areas[k]->end);
	if (ret >= 0)
		qsort(l->r, l->n, sizeof(*l->r), cmp_range);
	return ret;
}

/* A gap of @size with @margin around it, at @from or above; 0 if none. */
static uint64_t find_gap(const struct ranges *l, uint64_t from, uint64_t size, uint64_t margin)
{
	uint64_t at = from;

	for (size_t i = 0; i < l->n; i++) {
		if (l->r[i].start > at && l->r[i].start - at >= size + margin)
			return at;
		if (l->r[i].end + margin > at)
			at = l->r[i].end + margin;
	}
	return at < TASK_TOP && TASK_TOP - at >= size + margin ? at : 0;
}

int mem_find_hole(struct restore *r, uint64_t size, uint64_t *ret_addr)
{
	struct ranges l = { 0 };
	int ret = taken_ranges(r, &l);
	uint64_t at = 0;

	size = ALIGN_UP(size, PAGE);
	if (ret >= 0)
		at = find_gap(&l, 0x10000000, size, 16 << 20);
	if (ret >= 0 && !at)
		at = find_gap(&l, 0x10000, size, 0);
	free(l.r);
	if (ret < 0)
		return ret;
	if (!at)
		return log_errno(-ENOMEM, "no hole of %lu bytes in the address spaces of all tasks", size);
	*ret_addr = at;
	return 0;
}
