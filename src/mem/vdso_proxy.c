/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restore on a kernel whose vdso differs from the dumped one: programs hold addresses of the old
 * functions (auxv, the C library's pointers). The old code stays where it was, as ordinary memory; each of
 * its functions begins with a jump to the same one of the running kernel's vdso, mapped elsewhere. The
 * old data pages are gone. A thread that was stopped inside the old code cannot go on there: refused.
 */
#include <sys/mman.h>
#include <sys/user.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "mem/mm.h"

/* Does a thread of @t stand in the vdso that begins at @start? */
static bool stands_inside(const struct mm_store *s, const TaskEntry *t, uint64_t start)
{
	uint64_t end = start + vdso_total(s->vdso);

	for (size_t i = 0; i < t->n_threads; i++) {
		struct user_regs_struct regs;

		if (t->threads[i]->gpregs.len != sizeof(regs))
			continue;
		memcpy(&regs, t->threads[i]->gpregs.data, sizeof(regs));
		if (regs.rip >= start && regs.rip < end)
			return true;
	}
	return false;
}

static int check_task(const struct mm_store *s, const TaskEntry *t, const MmEntry *mm)
{
	for (size_t i = 0; i < mm->n_areas; i++) {
		if (mm->areas[i]->kind != AREA_KIND__VDSO)
			continue;
		if (!stands_inside(s, t, mm->areas[i]->start))
			return 0;
		log_error("pid %d was dumped inside the vdso of another kernel; dump it again", t->pid);
		return -EOPNOTSUPP;
	}
	return 0;
}

int proxy_check(struct restore *r)
{
	struct mm_store *s = r->mms;
	_cleanup_free_ uint8_t *elf = malloc(s->vdso->elf.len + 1);
	int ret = elf ? vdso_patch(s->vdso, s->vdso_now, 0, elf) : log_oom();

	if (ret >= 0 &&
	    (s->vdso->elf.len & (PAGE - 1) || vdso_code(s->vdso) + s->vdso->elf.len != vdso_total(s->vdso)))
		ret = log_errno(-EBADMSG, "vdso.img: wrong sizes");
	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++) {
		const TaskEntry *t = r->tasks[i].msg;
		struct mm_state *st = t->has_mm_id ? mm_find(r, t->mm_id) : NULL;

		if (st)
			ret = check_task(s, t, st->msg);
	}
	if (ret >= 0)
		log_info("the vdso of the dumped kernel is kept and redirected to this kernel's");
	return ret;
}

static int proxy_place(struct restore *r)
{
	if (r->mms->proxy_at)
		return 0;
	return mem_find_hole(r, vdso_total(r->mms->vdso_now), &r->mms->proxy_at);
}

int proxy_map(struct restore *r, const struct rtask *t, uint64_t start)
{
	struct mm_store *s = r->mms;
	_cleanup_free_ uint8_t *elf = malloc(s->vdso->elf.len);
	uint64_t at = start + vdso_code(s->vdso), len = s->vdso->elf.len;
	int ret = elf ? proxy_place(r) : log_oom();

	if (ret < 0)
		return ret;
	memcpy(elf, s->vdso->elf.data, len);
	ret = vdso_patch(s->vdso, s->vdso_now, s->proxy_at + vdso_code(s->vdso_now), elf);
	if (ret < 0)
		return ret;
	remote_call(t->hand, SYS_arch_prctl, CTCR_ARCH_MAP_VDSO_64, s->proxy_at);
	remote_call(t->hand, SYS_mmap, at, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ret = remote_run(t->hand);
	if (ret >= 0)
		ret = remote_write(t->hand, at, elf, len);
	if (ret < 0)
		return mm_batch_error(t, ret, "cannot map the vdso");
	ret = (int)remote_syscall(t->hand, SYS_mprotect, at, len, PROT_READ | PROT_EXEC);
	return ret < 0 ? log_errno(ret, "pid %d: cannot protect the vdso", t->msg->pid) : 0;
}
