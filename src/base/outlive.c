/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/outlive.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/util.h"

static int cmp_fd(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close every descriptor from 3 on but the @n of @keep. */
static int close_others(const int *keep, size_t n)
{
	_cleanup_free_ int *fds = malloc((n + 1) * sizeof(*fds));
	unsigned int from = 3;

	if (!fds)
		return -ENOMEM;
	memcpy(fds, keep, n * sizeof(*fds));
	qsort(fds, n, sizeof(*fds), cmp_fd);
	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)fds[i];

		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return -errno;
		from = MAX(from, fd + 1);
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static void leave_mounts(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		return;
}

static int detach(const char *name, const int *fds, size_t n)
{
	int null;

	setsid();
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, 0);
	signal(SIGPIPE, SIG_IGN);
	leave_mounts();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (chdir("/") < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return -errno;
	return close_others(fds, n);
}

int outlive(const char *name, void (*run)(void *arg), void *arg, const int *fds, size_t n)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		pid = fork();
		if (pid == 0 && detach(name, fds, n) >= 0)
			run(arg);
		_exit(pid < 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EAGAIN : 0;
}
