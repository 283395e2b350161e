/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remote/remote.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/syscalls.h"

#define STOP_LOOK_MS 100

/* Begin a new batch if the last one was run. */
static void batch_begin(struct remote *r)
{
	if (!r->ran)
		return;
	r->ran = false;
	r->heap = SLOT_HEAP_OFFSET;
	r->slot->n_calls = 0;
	r->slot->n_done = 0;
}

size_t remote_room(const struct remote *r)
{
	return SLOT_SIZE - (r->ran ? SLOT_HEAP_OFFSET : MIN(r->heap, (uint32_t)SLOT_SIZE));
}

size_t remote_calls_left(const struct remote *r)
{
	return SLOT_CALLS - (r->ran ? 0 : MIN(r->slot->n_calls, (uint32_t)SLOT_CALLS));
}

void *remote_alloc(struct remote *r, size_t size)
{
	void *p;

	batch_begin(r);
	size = ALIGN_UP(size, 16);
	if (r->heap > SLOT_SIZE || size > SLOT_SIZE - r->heap) {
		r->heap = SLOT_SIZE + 1; /* remote_run() refuses */
		return (char *)r->slot + SLOT_HEAP_OFFSET;
	}
	p = (char *)r->slot + r->heap;
	r->heap += size;
	memset(p, 0, size);
	return p;
}

void *remote_copy(struct remote *r, const void *data, size_t len)
{
	void *p = remote_alloc(r, len);

	if (len && r->heap <= SLOT_SIZE)
		memcpy(p, data, len);
	return p;
}

uint64_t remote_addr(struct remote *r, const void *local)
{
	return r->slot_addr + (uint64_t)((const char *)local - (const char *)r->slot);
}

uint64_t remote_str(struct remote *r, const char *text)
{
	return remote_addr(r, remote_copy(r, text, strlen(text) + 1));
}

struct remote_call *remote_call_(struct remote *r, long nr, const uint64_t *args, size_t n_args)
{
	struct remote_call *c;

	batch_begin(r);
	if (r->slot->n_calls >= SLOT_CALLS || n_args > 6) {
		r->heap = SLOT_SIZE + 1;
		return &r->slot->calls[SLOT_CALLS - 1];
	}
	c = &r->slot->calls[r->slot->n_calls++];
	memset(c, 0, sizeof(*c));
	c->nr = nr;
	memcpy(c->args, args, n_args * sizeof(*args));
	return c;
}

void remote_ref(struct remote *r, struct remote_call *c, int arg, const struct remote_call *of)
{
	size_t index = of - r->slot->calls + 1;

	if (index > UINT8_MAX)
		r->heap = SLOT_SIZE + 1;
	else
		c->ref[arg] = index;
}

/* A task that we trace may be held by a SIGSTOP, the one signal that cannot be blocked: it goes on for us. */
static void pass_stop(struct remote *r)
{
	int status;

	if (waitpid(r->pid, &status, __WALL | WNOHANG) != r->pid || !WIFSTOPPED(status))
		return;
	r->stopped = r->stopped || (status >> 16 == 0 && WSTOPSIG(status) == SIGSTOP);
	ptrace(PTRACE_CONT, r->pid, 0, 0);
}

/* Wait for the answer; the end of the task is one, even if others hold its control socket. */
static int wait_answer(struct remote *r)
{
	struct pollfd p[] = { { .fd = r->ctl, .events = POLLIN }, { .fd = r->pidfd, .events = POLLIN } };

	for (;;) {
		int n = poll(p, 2, STOP_LOOK_MS);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && !p[0].revents)
			return -ECONNRESET;
		if (n > 0)
			return 0;
		if (n == 0)
			pass_stop(r);
	}
}

static int wait_done(struct remote *r)
{
	char byte;

	for (;;) {
		int ret = wait_answer(r);
		ssize_t n = ret < 0 ? 0 : recv(r->ctl, &byte, 1, 0);

		if (n == 1)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		return n < 0 && errno != ECONNRESET ? -errno : -ECONNRESET;
	}
}

const struct remote_call *remote_failed(const struct remote *r)
{
	const struct remote_call *c;

	if (!r->slot->n_done || r->slot->n_done > SLOT_CALLS)
		return NULL;
	c = &r->slot->calls[r->slot->n_done - 1];
	if (c->ret < 0 && c->ret > -4096 && !(c->flags & CALL_MAY_FAIL))
		return c;
	return NULL;
}

static int batch_ring(struct remote *r)
{
	char byte = 0;

	r->slot->n_done = 0;
	if (send(r->ctl, &byte, 1, MSG_NOSIGNAL) != 1)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return 0;
}

int remote_start(struct remote *r)
{
	batch_begin(r);
	r->ran = true;
	return r->heap > SLOT_SIZE ? -E2BIG : batch_ring(r);
}

int remote_finish(struct remote *r)
{
	const struct remote_call *c;
	int ret = wait_done(r);

	if (ret < 0)
		return ret;
	c = remote_failed(r);
	return c ? (int)c->ret : 0;
}

int remote_run(struct remote *r)
{
	int ret = remote_start(r);

	return ret < 0 ? ret : remote_finish(r);
}

int remote_run_all(struct remote *const *v, size_t n, size_t *ret_which)
{
	_cleanup_free_ int *started = calloc(n + 1, sizeof(*started));
	int ret = 0;

	*ret_which = 0;
	if (!started)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		started[i] = v[i] ? remote_start(v[i]) : 0;
	for (size_t i = 0; i < n; i++) {
		int err = v[i] && started[i] >= 0 ? remote_finish(v[i]) : started[i];

		if (err < 0 && ret >= 0) {
			ret = err;
			*ret_which = i;
		}
	}
	return ret;
}

long remote_single(struct remote *r)
{
	int ret = remote_run(r);

	return ret < 0 ? ret : r->slot->calls[r->slot->n_calls - 1].ret;
}

int remote_get_fd(struct remote *r, int fd)
{
	int mine = sys_pidfd_getfd(r->pidfd, fd);

	return mine < 0 ? -errno : fd_high(mine);
}

int remote_take_fd(struct remote *r, int fd)
{
	int mine = remote_get_fd(r, fd);
	long ret;

	if (mine < 0)
		return mine;
	ret = remote_syscall(r, SYS_close, fd);
	if (ret < 0) {
		close(mine);
		return (int)ret;
	}
	return mine;
}

int remote_give_fds(struct remote *r, const int *fds, size_t n, int *ret_fds)
{
	struct msghdr *msg;
	struct iovec *iov;
	struct cmsghdr *c;
	int ret;

	if (n == 0)
		return 0;
	if (n > 253)
		return -E2BIG;
	msg = remote_alloc(r, sizeof(*msg));
	iov = remote_alloc(r, sizeof(*iov));
	iov->iov_base = (void *)remote_addr(r, remote_alloc(r, 1));
	iov->iov_len = 1;
	c = remote_alloc(r, CMSG_SPACE(n * sizeof(int)));
	msg->msg_iov = (void *)remote_addr(r, iov);
	msg->msg_iovlen = 1;
	msg->msg_control = (void *)remote_addr(r, c);
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	remote_call(r, SYS_recvmsg, r->slot->ctl, remote_addr(r, msg), MSG_CMSG_CLOEXEC);
	r->ran = true;
	ret = batch_ring(r);
	if (ret < 0)
		return ret;
	ret = send_fds(r->ctl, fds, n);
	if (ret < 0)
		return ret;
	ret = wait_done(r);
	if (ret < 0)
		return ret;
	if (remote_failed(r))
		return (int)remote_failed(r)->ret;
	if (c->cmsg_len != CMSG_LEN(n * sizeof(int)))
		return -EMFILE;
	memcpy(ret_fds, CMSG_DATA(c), n * sizeof(int));
	return 0;
}

int remote_give_fd_at(struct remote *r, int fd, int number, int flags)
{
	int there, ret = remote_give_fds(r, &fd, 1, &there);

	if (ret < 0)
		return ret;
	if (there == number) {
		if (flags & FD_CLOEXEC)
			return 0;
		return (int)remote_syscall(r, SYS_fcntl, number, F_SETFD, 0);
	}
	remote_call(r, SYS_dup3, there, number, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	remote_call(r, SYS_close, there);
	return remote_run(r);
}

int remote_read(struct remote *r, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, there = { (void *)addr, len };
	ssize_t n = process_vm_readv(r->pid, &local, 1, &there, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

int remote_write(struct remote *r, uint64_t addr, const void *buf, size_t len)
{
	struct iovec local = { (void *)buf, len }, there = { (void *)addr, len };
	ssize_t n = process_vm_writev(r->pid, &local, 1, &there, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}
