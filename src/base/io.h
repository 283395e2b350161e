/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole reads and writes, files as text, descriptors passed over sockets, own descriptors kept high.
 * All return 0 or a count, or a negative errno. Nothing logs.
 */
#pragma once

#include <dirent.h>
#include <stdarg.h>
#include <sys/types.h>

#include "base/strbuf.h"

/* Write or read all of @len; a read that ends early is -EIO. */
int write_all(int fd, const void *buf, size_t len);
int pwrite_all(int fd, const void *buf, size_t len, off_t off);
int read_all(int fd, void *buf, size_t len);
int pread_all(int fd, void *buf, size_t len, off_t off);
/* The rest of @fd appended to @s. */
int read_fd(int fd, struct strbuf *s);
/* The file @path below @dirfd (AT_FDCWD too) as NUL-terminated text; *@ret is malloc()ed. */
int read_text_at(int dirfd, const char *path, char **ret);
/* Write @text to the existing file @path below @dirfd in one write (sysfs, cgroup, /proc). */
int write_text_at(int dirfd, const char *path, const char *text);
int write_textf_at(int dirfd, const char *path, const char *fmt, ...) _printf_(3, 4);
/* readlinkat() into a malloc()ed string. */
int readlink_at(int dirfd, const char *path, char **ret);
/* The directory @path below @dirfd, to be read from its beginning; NULL and errno. */
DIR *dir_open_at(int dirfd, const char *path);
static inline void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ __attribute__((cleanup(cleanup_dir)))
/* Move @fd to a number of 512 or more (or as high as the limit lets), close-on-exec; @fd is consumed. */
int fd_high(int fd);
/* Close @fd by a thread of ours, for sockets whose end makes the kernel wait; nobody else should. */
void close_later(int fd);
/* Send @n (up to 253) descriptors with one byte over the socket @sock; receive the same. */
int send_fds(int sock, const int *fds, size_t n);
int recv_fds(int sock, int *fds, size_t n);
/* Paths that may be longer than the buffer: malloc()ed asprintf, NULL when out of memory. */
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
char *xvasprintf(const char *fmt, va_list ap);
