/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the way home lies. Nothing of the task's memory may stay covered while it is dumped, and what
 * is below a stack pointer need not be free (goroutines, coroutines, alternate stacks): the frame is in
 * the arena for almost all of the time. Only while the arena comes and goes the leader's frame lies in
 * memory of the task, whose bytes are put back afterwards: below the stack pointer on the process's own
 * stack, else where a mapping ends in zeroes that nobody uses.
 */
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/procfs.h"
#include "base/syscalls.h"
#include "remote/infect.h"

#define RED_ZONE 128
#define MAX_LOOKS 64

struct area {
	uint64_t start, end;
};

int task_read(pid_t tid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, there = { (void *)addr, len };
	ssize_t n = process_vm_readv(tid, &local, 1, &there, 1, 0);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EFAULT;
}

int task_write(pid_t tid, uint64_t addr, const void *buf, size_t len)
{
	struct iovec local = { (void *)buf, len }, there = { (void *)addr, len };
	ssize_t n = process_vm_writev(tid, &local, 1, &there, 1, 0);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EFAULT;
}

/* Bytes for scratch, frame and alignment. */
static size_t room(const struct infection *inf)
{
	return HOME_SCRATCH + 128 + arch_frame_size(inf);
}

size_t infect_home_room(const struct infection *inf)
{
	return ALIGN_UP(room(inf), (size_t)4096);
}

static bool ends_in_zeroes(const struct infection *inf, const struct area *a)
{
	size_t len = room(inf);
	_cleanup_free_ uint8_t *buf = malloc(len);

	if (!buf || task_read(inf->tid, a->end - len, buf, len) < 0)
		return false;
	return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

/* The end of the room on the task's memory; 0: there is none. */
static uint64_t choose_top(const struct infection *inf, char *maps)
{
	uint64_t rsp = inf->regs.rsp - RED_ZONE, below = 0, zeroes = 0, any = 0;
	char *save = NULL;
	int looks = 0;

	for (char *l = strtok_r(maps, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		struct area a;
		unsigned long ino;
		char prot[5];

		if (sscanf(l, "%lx-%lx %4s %*s %*s %lu", &a.start, &a.end, prot, &ino) != 4 ||
		    strncmp(prot, "rw", 2) != 0 || prot[3] != 'p' || a.end - a.start < room(inf))
			continue;
		if (a.start <= rsp && rsp < a.end && rsp - a.start >= room(inf)) {
			if (strstr(l, "[stack]"))
				return rsp;
			below = rsp;
		}
		if (ino || (strchr(l, '[') && !strstr(l, "[heap]")))
			continue;
		if (!any)
			any = a.end;
		if (!zeroes && looks++ < MAX_LOOKS && ends_in_zeroes(inf, &a))
			zeroes = a.end;
	}
	return zeroes ? zeroes : below ? below : any;
}

static void uncover(struct infection *inf)
{
	if (inf->covered_copy)
		(void)task_write(inf->tid, inf->covered, inf->covered_copy, inf->covered_len);
	free(TAKE_PTR(inf->covered_copy));
}

/* Lay the frame at @addr of the task's own memory; the bytes there are kept. */
static int cover(struct infection *inf, uint64_t addr)
{
	size_t size = arch_frame_size(inf), len = HOME_SCRATCH + size;
	_cleanup_free_ uint8_t *frame = calloc(1, size), *copy = malloc(len);
	int ret = frame && copy ? task_read(inf->tid, addr - HOME_SCRATCH, copy, len) : -ENOMEM;

	if (ret < 0)
		return ret;
	arch_frame_build(inf, addr, frame);
	ret = task_write(inf->tid, addr, frame, size);
	if (ret < 0)
		return ret;
	inf->covered = addr - HOME_SCRATCH;
	inf->covered_len = len;
	inf->covered_copy = TAKE_PTR(copy);
	return 0;
}

/* From now on the next return leads to the frame at @addr. */
static int head_for(struct infection *inf, uint64_t addr)
{
	const uint64_t none[6] = { 0 };

	inf->home = addr;
	return infect_set_call(inf, SYS_getpid, none);
}

static int home_in_task(struct infection *inf)
{
	_cleanup_free_ char *maps = NULL;
	uint64_t top, addr;
	int ret = proc_read(inf->tid, "maps", &maps);

	if (ret < 0)
		return ret;
	top = choose_top(inf, maps);
	if (!top)
		return -ENOSPC;
	addr = ALIGN_DOWN(top - arch_frame_size(inf) - 64, 64) - 8;
	ret = cover(inf, addr);
	return ret < 0 ? ret : head_for(inf, addr);
}

int infect_home_to_arena(struct infection *inf)
{
	uint64_t addr = ALIGN_UP(inf->lent + HOME_SCRATCH, 64) + 56;
	int ret;

	arch_frame_build(inf, addr, (char *)inf->lent_local + (addr - inf->lent));
	ret = head_for(inf, addr);
	if (ret >= 0)
		uncover(inf);
	return ret;
}

int infect_home_from_arena(struct infection *inf)
{
	return home_in_task(inf);
}

int infect_home(struct infection *inf, struct gadget_cache *cache)
{
	const uint64_t all = ~0ULL;
	int ret;

	if (inf->home)
		return 0;
	ret = inf->gadget ? 0 : infect_find_gadgets(inf, cache);
	if (ret >= 0)
		ret = inf->lent ? infect_home_to_arena(inf) : home_in_task(inf);
	if (ret < 0)
		return ret;
	return ptrace(PTRACE_SETSIGMASK, inf->tid, sizeof(all), &all) < 0 ? -errno : 0;
}

void infect_home_done(struct infection *inf)
{
	uncover(inf);
	inf->home = 0;
}

void infect_lend(const struct infection *leader, size_t index, struct infection *inf)
{
	size_t off = EXECUTOR_TEXT + SLOT_SIZE + index * infect_home_room(inf);

	if (!leader->arena || off + infect_home_room(inf) > leader->arena_size)
		return;
	inf->lent = leader->arena + off;
	inf->lent_local = (char *)leader->local + off;
	inf->gadget = leader->gadget;
	inf->restorer = leader->restorer;
}
