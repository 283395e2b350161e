/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection in repair mode is dead to its owner: calls on it fail, packets are not answered. Should
 * the coordinator die just then, a child of it, the steward, takes those out of repair mode that it has
 * in hand. It is forked when the first connection is read, with a copy of all descriptors: so the lock
 * and the channels to the tasks stay as they are until it has done so and leaves. What is in hand is
 * noted in memory that both see.
 *
 * From the moment the tasks are killed it does the opposite: it finishes the kill, so that no connection is
 * alive again between the image and the end of its task. Before that moment, it also takes away the table
 * that is to hold the connections afterwards (net_hold()).
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "netlock/netlock.h"
#include "sock/inet.h"
#include "sock/sk.h"
#include "sock/sock.h"

#define END_PATIENCE_MS 10000
#define MAX_CONNS (1U << 20) /* of those held at once; memory comes as it is used */

struct steward_note {
	_Atomic unsigned int n;
	struct {
		int fd, reuse, peek_off;
	} conns[MAX_CONNS];
};

void steward_finish_kill(const struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++)
		sys_pidfd_send_signal(d->tasks[i]->pidfd, SIGKILL);
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct pollfd p = { .fd = d->tasks[i]->pidfd, .events = POLLIN };

		if (d->tasks[i]->state != TASK_ZOMBIE)
			(void)poll(&p, 1, END_PATIENCE_MS);
	}
}

static void steward_main(int pipe, const struct dump *d, struct steward_note *note)
{
	char byte;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	while (read(pipe, &byte, 1) < 0 && errno == EINTR)
		;
	if (atomic_load(&note->n) && atomic_load(&d->fate->ending)) {
		steward_finish_kill(d);
		_exit(0);
	}
	if (atomic_load(&note->n) && *d->fate->held)
		(void)netlock_unhold(d->fate->held);
	for (unsigned int i = 0; i < atomic_load(&note->n); i++) {
		int fd = note->conns[i].fd, off = note->conns[i].peek_off;

		(void)tcp_leave_repair(fd, note->conns[i].reuse);
		if (off >= 0)
			setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	}
	_exit(0);
}

static int steward_start(const struct dump *d, struct steward *s)
{
	_cleanup_close_ int in = -1, out = -1;
	int fds[2];
	void *p = mmap(NULL, sizeof(*s->note), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->note = p;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fd_high(fds[1]);
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (s->pid == 0) {
		close(out);
		steward_main(in, d, s->note);
	}
	s->pipe = take_fd(&out);
	return 0;
}

int steward_note(struct dump *d, int fd, int reuse)
{
	struct sock_table *t = sk_table(d);
	unsigned int n;
	int err;

	if (!t)
		return log_oom();
	if (!t->steward.pid) {
		err = steward_start(d, &t->steward);
		if (err < 0)
			return log_errno(err, "a child that watches over TCP connections");
	}
	n = atomic_load(&t->steward.note->n);
	if (n == MAX_CONNS)
		return 0;
	t->steward.note->conns[n].fd = fd;
	t->steward.note->conns[n].reuse = reuse;
	t->steward.note->conns[n].peek_off = sk_peek_off(fd);
	atomic_store(&t->steward.note->n, n + 1);
	return 0;
}

void steward_forget(struct dump *d)
{
	if (d->socks && d->socks->steward.note)
		atomic_store(&d->socks->steward.note->n, 0);
}

void steward_done(struct dump *d)
{
	struct steward *s = &d->socks->steward;

	steward_forget(d);
	if (s->pid > 0) {
		close(s->pipe);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (s->note)
		munmap(s->note, sizeof(*s->note));
	*s = (struct steward){ 0 };
}
