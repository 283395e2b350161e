/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote hands: system calls run in another task, in batches.
 *
 *	struct itimerval *it = remote_alloc(r, sizeof(*it));
 *	remote_call(r, SYS_getitimer, ITIMER_REAL, remote_addr(r, it));
 *	ret = remote_run(r);
 *
 * remote_alloc() and remote_call() build a batch; remote_run() executes it and afterwards the
 * results can be read until the next remote_alloc() or remote_call(), which begins a new batch.
 * A call that fails ends the batch unless it was made by remote_try(). One struct remote is one
 * thread of a task: a dumped task that is infected, or a task under construction by restore.
 *
 * Errors: negative errno; -ECONNRESET when the task is gone.
 */
#pragma once

#include <linux/sched.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/util.h"
#include "parasite/protocol.h"

struct remote {
	pid_t pid; /* in the coordinator's pid namespace: the thread */
	int pidfd; /* of its process; borrowed */
	int ctl; /* our end of the control socket */
	struct slot *slot; /* our mapping */
	uint64_t slot_addr; /* its address in the task */
	uint32_t heap; /* next free byte of the slot */
	bool stopped; /* a SIGSTOP came while it was ours */
	bool ran; /* the batch was run: the next call starts a new one */
};

/*
 * @size bytes in the arena, zeroed, 16-aligned; our address. Never NULL: a batch that needs more
 * than the heap (about 72 KiB) is a programming error and ends in -E2BIG from remote_run().
 */
void *remote_alloc(struct remote *r, size_t size);
/* Copy @len bytes of @data, or a string, into the arena; our address. */
void *remote_copy(struct remote *r, const void *data, size_t len);
/* The address in the task of something in the arena. */
uint64_t remote_addr(struct remote *r, const void *local);
/* The string's address in the task, ready as an argument: remote_addr(r, remote_copy(...)). */
uint64_t remote_str(struct remote *r, const char *text);
/* Bytes and calls still free in this batch. */
size_t remote_room(const struct remote *r);
size_t remote_calls_left(const struct remote *r);

/* Append a call; arguments are converted to uint64_t. The result is in ->ret after remote_run(). */
struct remote_call *remote_call_(struct remote *r, long nr, const uint64_t *args, size_t n_args);
#define remote_call(r, nr, ...)                                             \
	remote_call_((r), (nr), (const uint64_t[]){ 0, ##__VA_ARGS__ } + 1, \
		     sizeof((const uint64_t[]){ 0, ##__VA_ARGS__ }) / 8 - 1)
/* As remote_call(), but a failure does not end the batch. */
#define remote_try(r, nr, ...) remote_may_fail(remote_call(r, nr, ##__VA_ARGS__))
static inline struct remote_call *remote_may_fail(struct remote_call *c)
{
	c->flags |= CALL_MAY_FAIL;
	return c;
}
/* Argument @arg (from 0) of @c becomes args[arg] + the result of the earlier call @of of this batch. */
void remote_ref(struct remote *r, struct remote_call *c, int arg, const struct remote_call *of);

/* Execute the batch: 0, or the errno of the call that ended it (find it with remote_failed()). */
int remote_run(struct remote *r) _must_check_;
/* The same in two parts, so that several tasks work at once. Every start needs its finish. */
int remote_start(struct remote *r) _must_check_;
int remote_finish(struct remote *r) _must_check_;
/* The batches that were built in @v, all at once (NULL members are left out); *@ret_which: the first that
 * fails. */
int remote_run_all(struct remote *const *v, size_t n, size_t *ret_which) _must_check_;
/* The call that ended the last batch, NULL if none. */
const struct remote_call *remote_failed(const struct remote *r);

/* One call at once; its result or negative errno. */
#define remote_syscall(r, nr, ...) (remote_call(r, nr, ##__VA_ARGS__), remote_single(r))
long remote_single(struct remote *r);

/* Our own descriptor for the task's @fd (pidfd_getfd), close-on-exec and high. */
int remote_get_fd(struct remote *r, int fd);
/* Take the task's @fd away: remote_get_fd(), then close it there. */
int remote_take_fd(struct remote *r, int fd);
/*
 * Give our descriptors to the task: it receives them at numbers of the kernel's choice, put in
 * @ret_fds, close-on-exec. Up to 253 at once.
 */
int remote_give_fds(struct remote *r, const int *fds, size_t n, int *ret_fds);
/* Give @fd and move it to exactly @number (closing what was there), with FD_CLOEXEC or 0 as @flags. */
int remote_give_fd_at(struct remote *r, int fd, int number, int flags);

/* The task's memory by process_vm_readv/writev; all of @len or an error. */
int remote_read(struct remote *r, uint64_t addr, void *buf, size_t len);
int remote_write(struct remote *r, uint64_t addr, const void *buf, size_t len);
