/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last touches of an address space, when all children are cloned: advice, locks, mm fields, seals. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "mem/mm.h"

#define CTCR_PR_SET_VMA 0x53564d41
#define CTCR_PR_SET_MDWE 65
#define CTCR_PR_SET_MEMORY_MERGE 67
#define CTCR_MADV_GUARD_INSTALL 102
#define CTCR_SYS_MSEAL 462
#define CTCR_MLOCK_ONFAULT 1

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static const struct {
	uint32_t flag;
	int advice;
} advices[] = {
	{ AREA_FLAG__DONTFORK, MADV_DONTFORK },	    { AREA_FLAG__DONTDUMP, MADV_DONTDUMP },
	{ AREA_FLAG__WIPEONFORK, MADV_WIPEONFORK }, { AREA_FLAG__MERGEABLE, MADV_MERGEABLE },
	{ AREA_FLAG__SEQUENTIAL, MADV_SEQUENTIAL }, { AREA_FLAG__RANDOM, MADV_RANDOM },
};

static void finish_advice(const struct rtask *t, const AreaEntry *a)
{
	if (a->kind == AREA_KIND__VDSO || a->flags & AREA_FLAG__DROPPABLE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		if (a->flags & advices[i].flag)
			remote_call(t->hand, SYS_madvise, a->start, a->end - a->start, advices[i].advice);
}

static void finish_name(const struct rtask *t, const AreaEntry *a)
{
	if (a->name)
		remote_try(t->hand, SYS_prctl, CTCR_PR_SET_VMA, 0, a->start, a->end - a->start,
			   remote_str(t->hand, a->name));
}

/* Locking brings in pages; where they cannot be accessed it says ENOMEM, but the area is locked. */
static void finish_lock(const struct rtask *t, const AreaEntry *a)
{
	struct remote_call *c;

	if (!(a->flags & AREA_FLAG__LOCKED))
		return;
	c = remote_call(t->hand, SYS_mlock2, a->start, a->end - a->start,
			a->flags & AREA_FLAG__LOCKONFAULT ? CTCR_MLOCK_ONFAULT : 0);
	if (!(a->prot & PROT_READ))
		remote_may_fail(c);
}

static int finish_areas(const struct rtask *t, const MmEntry *mm)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (remote_calls_left(t->hand) < 12)
			ret = remote_run(t->hand);
		else
			ret = mm_batch_room(t, a->name ? strlen(a->name) + 16 : 0,
					    "cannot finish its memory");
		if (ret < 0)
			break;
		finish_advice(t, a);
		finish_lock(t, a);
		finish_name(t, a);
	}
	for (size_t i = 0; ret >= 0 && i < mm->n_guards; i++) {
		ret = mm_batch_room(t, 0, "cannot install guard pages");
		remote_call(t->hand, SYS_madvise, mm->guards[i]->start, mm->guards[i]->pages * PAGE,
			    CTCR_MADV_GUARD_INSTALL);
	}
	if (ret >= 0)
		ret = remote_run(t->hand);
	return ret < 0 ? mm_batch_error(t, ret, "cannot finish its memory") : 0;
}

static int finish_fields(struct restore *r, const struct rtask *t, const MmEntry *mm)
{
	struct prctl_mm_map map = {
		.start_code = mm->start_code,
		.end_code = mm->end_code,
		.start_data = mm->start_data,
		.end_data = mm->end_data,
		.start_brk = mm->start_brk,
		.brk = mm->brk,
		.start_stack = mm->start_stack,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end,
		.auxv_size = mm->auxv.len,
	};
	struct remote *h = t->hand;
	int exe = files_get(r, mm->exe_file_id), there, ret;
	const void *p;

	if (exe < 0)
		return exe;
	ret = remote_give_fds(h, &exe, 1, &there);
	if (ret < 0)
		return log_errno(ret, "pid %d: cannot give it its executable", t->msg->pid);
	map.exe_fd = there;
	map.auxv = (void *)(uintptr_t)remote_addr(h, remote_copy(h, mm->auxv.data, mm->auxv.len));
	p = remote_copy(h, &map, sizeof(map));
	remote_call(h, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, remote_addr(h, p), sizeof(map), 0);
	remote_call(h, SYS_close, there);
	ret = remote_run(h);
	return ret < 0 ? mm_batch_error(t, ret, "cannot set the fields of its memory (PR_SET_MM_MAP)") : 0;
}

/* Registrations are answered as the commands that made them. */
static int finish_rest(const struct rtask *t, const MmEntry *mm)
{
	struct remote *h = t->hand;
	int ret;

	for (int bit = 0; mm->has_membarrier && bit < 9; bit++)
		if (mm->membarrier & 1U << bit)
			remote_try(h, SYS_membarrier, 1U << bit, 0, 0);
	if (mm->memory_merge)
		remote_try(h, SYS_prctl, CTCR_PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
	if (mm->has_lock_future)
		remote_call(h, SYS_mlockall, mm->lock_future & (MCL_FUTURE | MCL_ONFAULT));
	if (mm->has_mdwe)
		remote_call(h, SYS_prctl, CTCR_PR_SET_MDWE, mm->mdwe, 0, 0, 0);
	ret = remote_run(h);
	for (size_t i = 0; ret >= 0 && i < mm->n_areas; i++) {
		const AreaEntry *a = mm->areas[i];

		if (!(a->flags & AREA_FLAG__SEALED) || a->kind == AREA_KIND__VDSO)
			continue;
		ret = mm_batch_room(t, 0, "cannot seal its memory");
		remote_call(h, CTCR_SYS_MSEAL, a->start, a->end - a->start, 0);
	}
	if (ret >= 0)
		ret = remote_run(h);
	return ret < 0 ? mm_batch_error(t, ret, "cannot finish its memory") : 0;
}

int mem_finish(struct restore *r, struct rtask *t)
{
	struct mm_state *st = t->msg->has_mm_id && t->hand ? mm_find(r, t->msg->mm_id) : NULL;
	int ret;

	if (!st || !st->built || st->finished)
		return 0;
	ret = finish_areas(t, st->msg);
	if (ret >= 0)
		ret = finish_fields(r, t, st->msg);
	if (ret >= 0)
		ret = finish_rest(t, st->msg);
	st->finished = ret >= 0;
	return ret;
}

uint64_t mem_syscall_gadget(struct restore *r, struct rtask *t)
{
	struct mm_state *st = t->msg->has_mm_id ? mm_find(r, t->msg->mm_id) : NULL;
	const VdsoEntry *v = r->mms->vdso_now;
	uint64_t gadget = v ? vdso_gadget(v) : 0, at;

	if (!st || !gadget)
		return 0;
	for (size_t i = 0; i < st->msg->n_areas; i++) {
		if (st->msg->areas[i]->kind != AREA_KIND__VDSO)
			continue;
		at = r->mms->proxy ? r->mms->proxy_at : st->msg->areas[i]->start;
		return at + vdso_code(v) + gadget;
	}
	return 0;
}
