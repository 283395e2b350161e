/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char result_path[PATH_MAX];
static int ready_fd = -1;
static volatile sig_atomic_t told;

/*
 * Right after a stop the first thread is not back in its sigsuspend(2) yet, and has the signal blocked: then
 * another one takes it, and the first would sleep for ever.
 */
static void on_term(int sig)
{
	told = 1;
	if (gettid() != getpid())
		tgkill(getpid(), getpid(), sig);
}

/* The first verdict stays: a child's failure is not covered by its parent's success. */
static void verdict(const char *word, const char *fmt, va_list ap)
{
	int fd = open(result_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	dprintf(fd, "%s", word);
	if (fmt) {
		dprintf(fd, ": ");
		vdprintf(fd, fmt, ap);
	}
	dprintf(fd, "\n");
	close(fd);
}

void pass(void)
{
	int fd = open(result_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		_exit(1);
	dprintf(fd, "pass\n");
	_exit(0);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verdict("fail", fmt, ap);
	va_end(ap);
	_exit(1);
}

void pfail(const char *fmt, ...)
{
	int err = errno;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail("%s: %s", text, strerror(err));
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verdict("skip", fmt, ap);
	va_end(ap);
	_exit(77);
}

void test_msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

/* The process that was started: leave when the daemon is ready, or with it when it ends before. */
static void wait_ready(pid_t pid, int fd)
{
	char c;
	int status;

	if (read(fd, &c, 1) == 1)
		_exit(0);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	_exit(1);
}

static void set_output(void)
{
	int null = open("/dev/null", O_RDONLY), log = open("test.log", O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (null < 0 || log < 0)
		pfail("standard output");
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	if (null > 2)
		close(null);
	if (log > 2)
		close(log);
	setvbuf(stderr, NULL, _IOLBF, 0);
}

void test_init(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	char dir[PATH_MAX - 16];
	FILE *f;
	pid_t pid;
	int p[2];

	if (!getcwd(dir, sizeof(dir)) || pipe(p))
		abort();
	snprintf(result_path, sizeof(result_path), "%s/result", dir);
	pid = fork();
	if (pid < 0)
		pfail("fork");
	if (pid) {
		close(p[1]);
		wait_ready(pid, p[0]);
	}
	close(p[0]);
	ready_fd = fcntl(p[1], F_DUPFD_CLOEXEC, 100);
	close(p[1]);
	if (setsid() < 0)
		pfail("setsid");
	set_output();
	sigaction(SIGTERM, &sa, NULL);
	f = fopen("test.pid", "w");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
		pfail("test.pid");
}

void test_daemon(void)
{
	if (write(ready_fd, "r", 1) != 1)
		pfail("the runner is gone");
	close(ready_fd);
	ready_fd = -1;
}

bool test_go(void)
{
	return !told;
}

void test_waitsig(void)
{
	sigset_t term, old;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	sigdelset(&old, SIGTERM);
	while (!told)
		sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static unsigned char pattern_byte(unsigned long i, unsigned int seed)
{
	return (unsigned char)((i * 2654435761UL + (i >> 12) * 40503UL + seed * 97UL) >> 7);
}

void pattern_fill(void *buf, unsigned long len, unsigned int seed)
{
	unsigned char *p = buf;

	for (unsigned long i = 0; i < len; i++)
		p[i] = pattern_byte(i, seed);
}

long pattern_check(const void *buf, unsigned long len, unsigned int seed)
{
	const unsigned char *p = buf;

	for (unsigned long i = 0; i < len; i++)
		if (p[i] != pattern_byte(i, seed))
			return (long)i;
	return -1;
}

void wait_child(int pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		pfail("child %d", pid);
	if (status)
		fail("child %d ends with %#x", pid, status);
}

long status_number(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(key);
	char line[256];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':')
			n = atol(line + len + 1);
	if (!f)
		pfail("/proc/self/status");
	fclose(f);
	return n;
}

static sigjmp_buf not_readable;

static void on_segv(int sig)
{
	siglongjmp(not_readable, 1);
}

bool is_readable(const volatile char *p)
{
	struct sigaction act = { .sa_handler = on_segv }, old;
	volatile bool yes = false;

	sigaction(SIGSEGV, &act, &old);
	if (!sigsetjmp(not_readable, 1)) {
		(void)*p;
		yes = true;
	}
	sigaction(SIGSEGV, &old, NULL);
	return yes;
}

void file_get(const char *path, char *buf, unsigned long size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		pfail("%s", path);
	buf[n] = 0;
	close(fd);
}

void file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		pfail("%s = %s", path, text);
	close(fd);
}
