/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address spaces: areas, pages, shared memory, the vdso, mm fields. Images: mms.img, pages-N.img. */
#pragma once

#include "core/dump.h"
#include "core/restore.h"

int mem_survey(struct dump *d);
/* After infect: areas and mm fields of every mm; mapped files and executables go to files_add(). */
int mem_collect(struct dump *d);
/* Contents to the page files. Counts for statistics. */
struct mem_stats {
	uint64_t pages_scanned, pages_written, pages_shared;
};
int mem_dump(struct dump *d, struct mem_stats *stats);
void mem_dump_done(struct dump *d);

/* Restore. */
int mem_load(struct restore *r);
/* An address range of @size bytes free in every mm of the image (and not below 64 KiB). */
int mem_find_hole(struct restore *r, uint64_t size, uint64_t *ret_addr);
/*
 * Build t's address space by its hand, everything outside [r->arena, +arena_size) that is there now
 * (the coordinator's copy, or what a forked child inherited) is replaced. Called for a parent before
 * its children are cloned, so that copy-on-write pages shared in the image stay shared.
 */
int mem_restore(struct restore *r, struct rtask *t);
/* Late: final protections, PR_SET_MM_MAP with exe, auxv, brk ... (needs CAP_SYS_ADMIN in its user ns). */
int mem_finish(struct restore *r, struct rtask *t);
/* Where a "syscall" instruction can be run in t after the arena is gone (vdso); 0 if none. */
uint64_t mem_syscall_gadget(struct restore *r, struct rtask *t);
/* Pages of data the image holds. */
uint64_t mem_pages(const struct restore *r);
void mem_restore_done(struct restore *r);
