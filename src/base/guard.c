/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"

static bool is_kept(unsigned int fd, int pipe, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fd == (unsigned int)fds[i])
			return true;
	return fd == (unsigned int)pipe;
}

static void close_others(int pipe, const int *fds, size_t n)
{
	unsigned int top = (unsigned int)pipe;

	for (size_t i = 0; i < n; i++)
		top = MAX(top, (unsigned int)fds[i]);
	for (unsigned int fd = 0; fd < top; fd++)
		if (!is_kept(fd, pipe, fds, n))
			close((int)fd);
	syscall(SYS_close_range, top + 1, ~0U, 0);
}

static _Noreturn void guard_main(int pipe, void (*act)(void *arg), void *arg, const int *fds, size_t n_fds)
{
	char byte;
	ssize_t n;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	if (fds)
		close_others(pipe, fds, n_fds);
	do
		n = read(pipe, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		act(arg);
	_exit(0);
}

int guard_start(struct guard *g, void (*act)(void *arg), void *arg, const int *fds, size_t n)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	g->pid = fork();
	if (g->pid == 0) {
		close(ends[1]);
		guard_main(ends[0], act, arg, fds, n);
	}
	close(ends[0]);
	if (g->pid < 0) {
		int err = -errno;

		g->pid = 0;
		close(ends[1]);
		return err;
	}
	g->pipe = fd_high(ends[1]);
	return 0;
}

void guard_dismiss(struct guard *g)
{
	char byte = 1;

	if (g->pid <= 0)
		return;
	if (write_all(g->pipe, &byte, 1) < 0)
		kill(g->pid, SIGKILL);
	close(g->pipe);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->pid = 0;
}
