/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of mem/ only: the tables of a dump and of a restore. */
#pragma once

#include <elf.h>

#include "base/map.h"
#include "mem/mem.h"
#include "mem/vma.h"
#include "proto/mm.pb-c.h"

/* ---- dump ---- */

struct mm {
	struct task *task; /* the first holder; its hand serves */
	struct vma_list vmas; /* without the executor's arena; parallel to nothing */
	MmEntry *msg;
};

struct shmem {
	int fd; /* opened through map_files */
	uint64_t ino;
	ShmemEntry *msg;
};

struct mapped_file {
	char *name;
	struct ns *mnt;
	uint64_t ino;
	uint32_t major, minor, id;
	bool writable;
};

/* Where the next pages of the page files come from. */
struct page_source {
	uint64_t index, pages;
	uint64_t addr; /* in the task, or offset in fd */
	pid_t pid; /* 0: read from fd */
	int fd; /* shared memory, or /proc/PID/mem */
};

struct mem_table {
	struct mm *mms;
	size_t n_mms;
	struct shmem *shmems;
	size_t n_shmems;
	struct mapped_file *files;
	size_t n_files;
	VdsoEntry *vdso;
	struct page_source *sources;
	size_t n_sources;
	uint64_t n_pages; /* page index space used so far */
	struct map frames; /* frame or swap slot -> page index + 1, of pages several tasks map */
	int *mem_fds; /* owned */
	size_t n_mem_fds;
	struct mem_stats stats;
};

/* The areas of @t as the kernel shows them, without the executor's arena, whose flags are told. Logs. */
int mm_read_vmas(struct task *t, struct vma_list *ret, uint32_t *ret_arena_flags);
/* Find the pages of @m that must be kept: runs, guards and sources. Logs. */
int mm_scan_pages(struct mem_table *tab, struct mm *m);
int shmem_scan_pages(struct mem_table *tab, struct shmem *s);
/* Copy all sources into page files; fills @ret (files). Logs. */
int pages_copy(struct dump *d, struct mem_table *tab, PagesEntry *ret);

/* ---- NUMA policies ---- */

/*
 * The policies of @m and its areas: policy_ask() adds to the batch of m's hand, with q->from 0; policy_take()
 * notes the answers when it was run, and asks for the areas that had no room in it. Logs.
 */
struct policy_answer;
struct policy_question {
	size_t from, n; /* areas */
	struct policy_answer *answers; /* of them, then the task's own */
	const struct remote_call *first, *own;
};
void policy_ask(const struct mm *m, struct policy_question *q);
int policy_take(struct mm *m, struct policy_question *q);
bool policy_equal(const PolicyEntry *a, const PolicyEntry *b);
bool policy_valid(const PolicyEntry *p);
/* mbind of an area (before its pages come), set_mempolicy of the task. Logs. */
int policy_restore_area(const struct rtask *t, const AreaEntry *a);
int policy_restore_task(const struct rtask *t, const MmEntry *mm);

/* ---- vdso ---- */

/* The running kernel's vdso, as this process has it. -ENOENT: it has none. */
int vdso_read(VdsoEntry **ret);
/* Is every function of @old at the same place in @now, and every part as large? */
bool vdso_compatible(const VdsoEntry *old, const VdsoEntry *now);
/* Offset in the elf of "syscall" followed by nothing but register clearing and ret; 0 if none. */
uint64_t vdso_gadget(const VdsoEntry *v);
uint64_t vdso_total(const VdsoEntry *v);
/* Bytes from the first part to the code. */
uint64_t vdso_code(const VdsoEntry *v);
/* The function @name of @v (its st_value is the offset in the code), NULL. */
const Elf64_Sym *vdso_function(const VdsoEntry *v, const char *name);
/*
 * Make @elf, a copy of old->elf, jump to the functions of @now, whose code lies at @code. -EOPNOTSUPP:
 * @now lacks one, or there is no room for a jump. Logs.
 */
int vdso_patch(const VdsoEntry *old, const VdsoEntry *now, uint64_t code, uint8_t *elf);

/* ---- restore on a kernel with another vdso (vdso_proxy.c) ---- */

/* Can the dumped vdso be made to jump to the running kernel's? Logs. */
int proxy_check(struct restore *r);
/* Map both into @t, whose old one began at @start. Logs. */
int proxy_map(struct restore *r, const struct rtask *t, uint64_t start);

/* ---- restore ---- */

struct mm_state {
	MmEntry *msg;
	bool built, finished;
	/* per area, 0: made anew; else inherited from the parent up to this address */
	uint64_t *kept_end;
};

struct mm_store {
	MmEntry **mms;
	struct mm_state *states; /* parallel to mms */
	size_t n_mms;
	ShmemEntry **shmems; /* sorted by id, which are 1..n */
	int *shmem_fds; /* -1: not made yet */
	bool *shmem_filled;
	size_t n_shmems;
	PagesEntry *pages;
	int *page_fds;
	VdsoEntry *vdso, *vdso_now;
	bool proxy; /* they differ: the old one jumps to the new one */
	uint64_t proxy_at; /* where the new one is mapped in every task; 0: not yet chosen */
};

struct mm_state *mm_find(const struct restore *r, uint32_t id);
static inline bool area_private(const AreaEntry *a)
{
	return !a->shared && (a->kind == AREA_KIND__ANON || a->kind == AREA_KIND__FILE);
}
/* The first of @n runs that ends above @addr; n if none. */
size_t run_at(RunEntry *const *runs, size_t n, uint64_t addr);
/* The protections area @a of @mm has while it is filled. */
uint32_t area_build_prot(const MmEntry *mm, const AreaEntry *a);
/* Index of the area of @mm that contains @addr; n_areas if none. */
size_t area_at(const MmEntry *mm, uint64_t addr);
/* Log the call that ended a batch; returns @err. */
int mm_batch_error(const struct rtask *t, int err, const char *what);
/* Run the batch of the hand if it has not this much room left (one call included). */
int mm_batch_room(const struct rtask *t, size_t bytes, const char *what);

/* Fill the private areas and new shared memory of @t; @parent: whose memory it inherited, or NULL. */
int mm_fill(struct restore *r, struct rtask *t, const struct mm_state *st, const struct mm_state *parent);

/* The kernel would make one area of the neighbours @a and @b. */
bool area_mergeable(const AreaEntry *a, const AreaEntry *b);
/* Keep equal neighbours two areas: before their first pages come, and after. */
int split_before_fill(const struct rtask *t, const struct mm_state *st);
int split_after_fill(const struct rtask *t, const struct mm_state *st);
