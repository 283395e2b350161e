/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of /proc/PID/smaps as areas, and what each area is. Pure: nothing is opened here.
 * proc_pid_maps(5), proc_pid_smaps(5); the two-letter flags: fs/proc/task_mmu.c, show_smap_vma_flags().
 */
#pragma once

#include "base/util.h"

#define PAGE 4096UL
#define TASK_TOP 0x7ffffffff000UL /* end of user addresses with four-level paging */

enum vma_flag {
	VF_IO = 1 << 0, /* io, pf: device memory */
	VF_HUGETLB = 1 << 1, /* ht */
	VF_UFFD = 1 << 2, /* um uw ui */
	VF_SHADOW = 1 << 3, /* ss */
	VF_SYNC = 1 << 4, /* sf */
	VF_GROWSDOWN = 1 << 5,
	VF_NORESERVE = 1 << 6,
	VF_ACCOUNT = 1 << 7,
	VF_LOCKED = 1 << 8,
	VF_LOCKONFAULT = 1 << 9,
	VF_DONTFORK = 1 << 10,
	VF_DONTDUMP = 1 << 11,
	VF_WIPEONFORK = 1 << 12,
	VF_HUGEPAGE = 1 << 13,
	VF_NOHUGEPAGE = 1 << 14,
	VF_MERGEABLE = 1 << 15,
	VF_SEQUENTIAL = 1 << 16,
	VF_RANDOM = 1 << 17,
	VF_DROPPABLE = 1 << 18,
	VF_SEALED = 1 << 19,
	VF_MAYWRITE = 1 << 20, /* mw */
};

struct vma {
	uint64_t start, end, offset, ino;
	uint32_t prot; /* PROT_* */
	uint32_t major, minor;
	uint32_t flags; /* VF_* */
	uint32_t pkey;
	bool shared;
	char *name; /* "" when there is none */
};

struct vma_list {
	struct vma *v;
	size_t n;
};

/* @text is consumed. -EINVAL: not what the kernel writes (order, alignment, missing fields). */
int vmas_parse(char *text, struct vma_list *ret);
void vmas_done(struct vma_list *l);

enum vma_class { VMA_SKIP, VMA_ANON, VMA_FILE, VMA_SHMEM, VMA_SYSV, VMA_VDSO, VMA_REFUSED };

/* What @v is; when refused, *@ret_why says why and what to do. */
enum vma_class vma_classify(const struct vma *v, const char **ret_why);
