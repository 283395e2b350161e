/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arena of a restore: one memfd with the executor and a slot per thread, mapped at the same
 * address in the coordinator and, by inheritance, in every task. And hands upon its slots.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/syscalls.h"
#include "ns/ns.h"
#include "file/file.h"
#include "mem/mem.h"
#include "remote/infect.h"
#include "task/store.h"
#include "task/task.h"

#define ARENA_TRIES 64

/* The coordinator must have the range free, too: look on from hole to hole. */
static int arena_map(struct restore *r, uint64_t size)
{
	struct tree_store *s = r->tree;
	uint64_t slack = 0, addr;

	for (int i = 0; i < ARENA_TRIES; i++, slack = slack * 2 + (1 << 20)) {
		void *p;
		int ret = mem_find_hole(r, size + slack, &addr);

		if (ret < 0)
			return log_errno(ret, "no address range of %llu bytes is free in all tasks",
					 (unsigned long long)(size + slack));
		for (uint64_t at = addr; at + size <= addr + size + slack; at += MAX(slack, (uint64_t)4096)) {
			p = mmap((void *)at, size, PROT_READ | PROT_WRITE | PROT_EXEC,
				 MAP_SHARED | MAP_FIXED_NOREPLACE, s->memfd, 0);
			if (p == MAP_FAILED)
				continue;
			s->local = p;
			r->arena = at;
			r->arena_size = size;
			return 0;
		}
	}
	log_error("no address range for the executor that is free here, too");
	return -ENOMEM;
}

static int top_of_all(const struct restore *r)
{
	int top = 3;

	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].msg->has_files_id)
			top = MAX(top, files_top(r, r->tasks[i].msg->files_id));
	return top;
}

int arena_make(struct restore *r)
{
	struct tree_store *s = r->tree;
	uint64_t size = EXECUTOR_TEXT + (uint64_t)s->n_slots * SLOT_SIZE;
	int ret;

	s->ctl_base = top_of_all(r) + 8;
	s->memfd = memfd_create("ctcr", MFD_CLOEXEC);
	if (s->memfd < 0 || ftruncate(s->memfd, (off_t)size) < 0)
		return log_errno(-errno, "arena of %llu bytes", (unsigned long long)size);
	s->memfd = fd_high(s->memfd);
	ret = pwrite_all(s->memfd, executor_blob, executor_blob_end - executor_blob, 0);
	return ret < 0 ? log_errno(ret, "arena") : arena_map(r, size);
}

int hand_new(struct restore *r, struct remote **ret, int *ret_end)
{
	struct tree_store *s = r->tree;
	struct remote *h = calloc(1, sizeof(*h));
	int sv[2];

	if (!h || s->next_slot >= s->n_slots) {
		free(h);
		return log_oom();
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		free(h);
		return log_errno(-errno, "control socket");
	}
	h->ctl = fd_high(sv[0]);
	h->pidfd = -1;
	h->slot = (struct slot *)(s->local + EXECUTOR_TEXT + s->next_slot * SLOT_SIZE);
	h->slot_addr = (uint64_t)h->slot;
	h->ran = true;
	memset(h->slot, 0, sizeof(*h->slot));
	h->slot->ctl = s->ctl_base + (int)s->next_slot++;
	*ret = h;
	*ret_end = sv[1];
	return 0;
}

void hand_free(struct remote *h)
{
	if (!h)
		return;
	if (h->ctl >= 0)
		close(h->ctl);
	free(h);
}

int pidfd_pid(int pidfd)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	uint64_t pid;
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	ret = read_text_at(AT_FDCWD, path, &text);
	if (ret >= 0)
		ret = key_u64(text, "Pid", 10, &pid);
	return ret < 0 ? ret : pid == 0 || pid > INT32_MAX ? -ESRCH : (int)pid;
}

/* What a fresh child has of its parent's descriptors, its own control socket aside, is not its own. */
static int close_inherited(struct remote *h)
{
	int ctl = h->slot->ctl;

	remote_call(h, SYS_close_range, 0, ctl - 1, 0);
	remote_call(h, SYS_close_range, ctl + 1, ~0U, 0);
	return remote_run(h);
}

static long run_clone(struct remote *by, const struct clone_spec *spec, struct remote *child, int *ret_pidfd)
{
	struct clone_args *a = remote_alloc(by, sizeof(*a));
	int32_t *tids = remote_copy(by, spec->set_tid, MAX(spec->n_tids, (size_t)1) * sizeof(*tids));
	int32_t *pidfd = remote_alloc(by, sizeof(*pidfd));
	bool thread = spec->flags & CLONE_THREAD;

	a->flags = spec->flags | (thread ? 0 : CLONE_PIDFD);
	a->pidfd = thread ? 0 : remote_addr(by, pidfd);
	a->exit_signal = thread || spec->flags & CLONE_PARENT ? 0 : (uint64_t)spec->exit_signal;
	a->set_tid = spec->n_tids ? remote_addr(by, tids) : 0;
	a->set_tid_size = spec->n_tids;
	const struct remote_call *c =
		remote_call(by, OP_CLONE, remote_addr(by, a), sizeof(*a), child->slot_addr);
	*ret_pidfd = -1;
	int ret = remote_run(by);
	if (ret < 0)
		return ret;
	*ret_pidfd = thread ? -1 : *pidfd;
	return c->ret;
}

/*
 * A task in a nested user namespace may not choose a pid in the pid namespace around it. The root task may
 * say which one comes next; nobody else clones meanwhile.
 */
static long clone_next(struct restore *r, struct remote *by, const struct clone_spec *spec,
		       struct remote *child, int *ret_pidfd)
{
	struct clone_spec any = *spec;
	struct remote *root = r->tasks[0].hand;
	uint32_t old;
	long ret = root ? ns_set_last_pid(root, (uint32_t)spec->set_tid[0] - 1, &old) : -EPERM;

	if (ret < 0)
		return ret;
	any.n_tids = 0;
	ret = run_clone(by, &any, child, ret_pidfd);
	if (ret >= 0 && ret != spec->set_tid[0])
		ret = -EEXIST;
	if (ret >= 0)
		ret = ns_set_last_pid(root, old, &old);
	return ret;
}

int clone_task(struct restore *r, struct remote *by, const struct clone_spec *spec, struct remote **ret_hand,
	       int *ret_pidfd)
{
	struct remote *child;
	int end, there, ret = hand_new(r, &child, &end);

	if (ret < 0)
		return ret;
	ret = remote_give_fd_at(by, end, child->slot->ctl, 0);
	close(end);
	if (ret >= 0)
		ret = (int)run_clone(by, spec, child, &there);
	if (ret == -EPERM && spec->n_tids == 1 && by != r->tasks[0].hand)
		ret = (int)clone_next(r, by, spec, child, &there);
	if (ret >= 0 && !(spec->flags & CLONE_FILES))
		ret = (int)remote_syscall(by, SYS_close, child->slot->ctl);
	if (ret >= 0 && there >= 0) {
		*ret_pidfd = child->pidfd = remote_take_fd(by, there);
		ret = *ret_pidfd < 0 ? *ret_pidfd : pidfd_pid(*ret_pidfd);
		child->pid = ret;
	}
	if (ret >= 0 && !(spec->flags & CLONE_FILES))
		ret = close_inherited(child);
	if (ret < 0) {
		hand_free(child);
		return ret;
	}
	*ret_hand = child;
	return 0;
}
