/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getting into a running thread and out of it again, such that it goes on by itself if we die.
 *
 * After infect_read() the thread's state is known; after infect_home() a signal frame of it lies on
 * its stack and any system call made for it returns there. See kernel-facts A 1 and 2 and
 * docs/architecture.md, "Way home". Errors: negative errno; nothing is logged.
 */
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include "remote/remote.h"

struct infection {
	pid_t tid;
	struct user_regs_struct regs; /* as it was stopped */
	struct user_regs_struct home_regs; /* to go on from: interrupted system calls repaired */
	struct user_regs_struct image_regs; /* the same for another kernel: no restart block needed */
	void *xstate; /* NT_X86_XSTATE, xstate_size bytes of it are valid for a signal frame */
	size_t xstate_size, xstate_full;
	uint64_t sigmask;
	int stop_sig; /* group stop: the signal; else 0 */
	bool stop_again; /* a SIGSTOP came while it was ours */
	uint64_t gadget, restorer; /* "syscall; ret" and "rt_sigreturn" in the task, 0 if unknown */
	uint64_t home; /* address of the frame's restorer slot; 0: not laid */
	uint64_t lent; /* room for the frame in the arena of the process, 0: none; remote/home.c */
	void *lent_local; /* our mapping of it */
	uint64_t covered; /* memory of the task the frame covers now */
	size_t covered_len;
	void *covered_copy; /* its bytes; NULL: none is covered */
	uint64_t arena, arena_size; /* mapped into the task, 0: not */
	struct remote hand; /* in use when arena is set */
	void *local; /* our mapping of the arena */
};

/* Where gadgets lie in the text of files, as offsets from the start of the mapping. */
struct gadget_place {
	uint64_t dev, ino, offset, len;
	uint64_t gadget, restorer;
	bool known, has_gadget, has_restorer;
};

struct gadget_cache {
	struct gadget_place v[32];
	size_t n;
};

/* PTRACE_SEIZE and PTRACE_INTERRUPT, without waiting. -EPERM: traced by another. */
int infect_seize(pid_t tid);
/* Wait until the seized thread is stopped. -ETIMEDOUT after @timeout_ms (vfork, D state), -ESRCH. */
int infect_wait(pid_t tid, int timeout_ms, int *ret_status);
/* Read registers and masks of the stopped thread. */
int infect_read(pid_t tid, int status, struct infection **ret);
/* Lay the way home; until infect_cure() the thread's signals are blocked. @cache may be NULL. */
int infect_home(struct infection *inf, struct gadget_cache *cache);
/* One system call in the stopped thread by stepping it; result or negative errno of the call. */
int infect_syscall(struct infection *inf, long nr, const uint64_t *args, long *ret);
/* One in each of many threads at once. */
struct step {
	struct infection *inf;
	long nr;
	uint64_t args[6];
	long ret; /* of the call */
	int err; /* of the stepping; negative before: left out */
};
void infect_steps(struct step *s, size_t n);
/*
 * Map arenas and start executors in all of @v, whose processes have the pidfd and as many threads as
 * @of says; their hands are v[i]->hand. When one fails: *@ret_which; others may have theirs,
 * infect_cure() is due for all.
 */
struct infect_process {
	int pidfd;
	size_t n_threads;
};
int infect_start(struct infection *const *v, const struct infect_process *of, size_t n, size_t *ret_which);
/* Thread @index (from 1) of the infected @leader's process is to lay its frame in the arena. */
void infect_lend(const struct infection *leader, size_t index, struct infection *inf);
/*
 * Give everything back, in each: arena unmapped, registers, masks. The threads stay stopped. All threads of
 * a process at once. ret_errs[i]: what became of each.
 */
int infect_cure(struct infection *const *v, size_t n, int *ret_errs);
/* PTRACE_DETACH; the thread goes on (or stays in its group stop). Frees @inf. */
int infect_detach(struct infection *inf);
void infect_free(struct infection *inf);

/* Inside of remote/: infect.c, home.c, gadget.c, start.c. */
#define HOME_SCRATCH 1088 /* bytes below the frame for buffers of stepped calls */
size_t infect_home_room(const struct infection *inf);
int infect_home_to_arena(struct infection *inf);
int infect_home_from_arena(struct infection *inf);
void infect_home_done(struct infection *inf);
/* Fill in what the way home needs; @c (may be NULL) remembers it for the next task. */
int infect_find_gadgets(struct infection *inf, struct gadget_cache *c);
/* Registers such that @nr is called next and returns to the frame. */
int infect_set_call(struct infection *inf, long nr, const uint64_t *args);
int task_read(pid_t tid, uint64_t addr, void *buf, size_t len);
int task_write(pid_t tid, uint64_t addr, const void *buf, size_t len);

/* arch: lay out the signal frame for @inf in @buf (size bytes) to be written at @addr; its length. */
size_t arch_frame_size(const struct infection *inf);
void arch_frame_build(const struct infection *inf, uint64_t addr, void *buf);
/* arch: repair @inf's interrupted system call into home_regs, image_regs. */
void arch_repair_syscall(struct infection *inf);
/* arch: bytes of the extended state a signal frame of an ordinary task holds, and its features. */
size_t arch_xstate_size(uint64_t *ret_features);
/* arch: find the gadgets in @text mapped at @addr; fill in what is found. */
void arch_find_gadgets(struct infection *inf, uint64_t addr, const uint8_t *text, size_t len);

extern const char executor_blob[], executor_blob_end[];
