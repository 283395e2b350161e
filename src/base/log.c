/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static struct {
	const char *verb;
	enum log_level level;
	bool criu, quiet, hidden;
	int fd;
} sink = { .verb = "", .level = LOG_WARN, .fd = -1 };

void log_init(const char *verb, enum log_level level)
{
	sink.verb = verb;
	sink.level = level;
}

void log_face_criu(bool on)
{
	sink.criu = on;
}

void log_to(int fd)
{
	sink.fd = fd;
}

void log_quiet(bool on)
{
	sink.quiet = on;
}

bool log_hidden(void)
{
	return sink.hidden;
}

int log_fd(void)
{
	return sink.fd;
}

static int log_prefix(char *buf, size_t size, enum log_level level, const char *file, int line)
{
	static const char *const names[] = { "", "warning: ", "", "" };
	const char *base = strrchr(file, '/');

	if (!sink.criu)
		return snprintf(buf, size, "ctcr: %s%s%s", sink.verb, *sink.verb ? ": " : "", names[level]);
	if (level > LOG_WARN)
		return snprintf(buf, size, "ctcr: ");
	return snprintf(buf, size, "%s (%s:%d): ", level == LOG_ERROR ? "Error" : "Warn ",
			base ? base + 1 : file, line);
}

static void log_write(enum log_level level, const char *text, size_t len)
{
	struct timespec now;
	char stamp[32];
	int n;

	if (!sink.quiet && level <= sink.level && write(STDERR_FILENO, text, len) < 0)
		return;
	if (sink.fd < 0 || level > MAX(sink.level, LOG_INFO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	n = snprintf(stamp, sizeof(stamp), "(%lld.%06ld) ", (long long)now.tv_sec, now.tv_nsec / 1000);
	sink.hidden |= sink.quiet || level > sink.level;
	if (write(sink.fd, stamp, n) == n && write(sink.fd, text, len) < 0)
		sink.fd = -1;
}

static void log_va(enum log_level level, const char *file, int line, int err, const char *fmt, va_list ap)
{
	char buf[4096];
	int n = log_prefix(buf, sizeof(buf), level, file, line), m;

	m = vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
	n = MIN(n + m, (int)sizeof(buf) - 2);
	if (err) {
		m = snprintf(buf + n, sizeof(buf) - n, ": %s", strerror(err < 0 ? -err : err));
		n = MIN(n + m, (int)sizeof(buf) - 2);
	}
	buf[n++] = '\n';
	log_write(level, buf, n);
}

void log_line(enum log_level level, const char *file, int line, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level > MAX(sink.level, LOG_INFO))
		return;
	va_start(ap, fmt);
	log_va(level, file, line, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

int log_errno_line(const char *file, int line, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(LOG_ERROR, file, line, err, fmt, ap);
	va_end(ap);
	return err < 0 ? err : -err;
}
