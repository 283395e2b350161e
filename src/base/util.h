/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small idioms every file uses: cleanup attributes, ownership transfer, errno conversion.
 * Nothing here logs. See systemd's and crun's habit of scope-bound ownership.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))

/* The result of a libc style call (-1 and errno) as a negative errno; evaluates @expr once. */
#define RET_NERRNO(expr)                                                        \
	({                                                                      \
		__typeof__(expr) _ret = (expr);                                 \
		_ret == (__typeof__(expr))-1 ? (__typeof__(expr))-errno : _ret; \
	})

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))

/* Give up ownership of *@fd: the caller keeps the number, the cleanup closes nothing. */
static inline int take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

/* Close *@fd if it is open and mark it closed. */
static inline void close_fd(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) _p = (p); \
		(p) = NULL;             \
		_p;                     \
	})

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The rest of @s after @prefix, or NULL when @s does not begin with it. */
static inline const char *startswith(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static inline bool endswith(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && streq(s + n - m, suffix);
}

/*
 * Make room for one more element in a growing array (@arr, count @n); capacity doubles, so a
 * loop of appends is linear. Returns false when memory is out, with the array unchanged.
 */
static inline bool grow_(void **arr, size_t n, size_t size)
{
	void *p;

	if (n & (n - 1))
		return true;
	p = reallocarray(*arr, n ? n * 2 : 1, size);
	if (!p)
		return false;
	*arr = p;
	return true;
}
#define GROW(arr, n) grow_((void **)&(arr), (n), sizeof(*(arr)))
