/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"

/* Keep only @a and @b open. */
static void close_others(int a, int b)
{
	unsigned int lo = MIN(a, b), hi = MAX(a, b);

	if (lo)
		syscall(SYS_close_range, 0, lo - 1, 0);
	if (hi > lo + 1)
		syscall(SYS_close_range, lo + 1, hi - 1, 0);
	syscall(SYS_close_range, hi + 1, ~0U, 0);
}

static void guardian_main(int pipe, int thaw, const char *text)
{
	char byte;
	ssize_t n;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	close_others(pipe, thaw);
	do
		n = read(pipe, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	_exit(write_all(thaw, text, strlen(text)) < 0);
}

int guardian_start(struct guardian *g, const struct freezer *f)
{
	const char *text;
	int fds[2], thaw = freezer_thaw_fd(f, &text);

	if (thaw < 0)
		return log_errno(thaw, "freezer of the container");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return log_errno(-errno, "guardian");
	g->pid = fork();
	if (g->pid == 0) {
		close(fds[1]);
		guardian_main(fds[0], thaw, text);
	}
	close(fds[0]);
	if (g->pid < 0) {
		close(fds[1]);
		return log_errno(-errno, "guardian");
	}
	g->pipe = fd_high(fds[1]);
	return 0;
}

void guardian_dismiss(struct guardian *g)
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
