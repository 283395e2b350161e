/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte string. `buf` is NUL-terminated after every successful call (NULL while empty
 * and never appended to); memory belongs to the struct until strbuf_done() or strbuf_take().
 */
#pragma once

#include "base/util.h"

struct strbuf {
	char *buf;
	size_t len, cap;
};

void strbuf_done(struct strbuf *s);
/* Append; 0 or -ENOMEM with the string unchanged. */
int strbuf_add(struct strbuf *s, const void *data, size_t len);
int strbuf_puts(struct strbuf *s, const char *text);
int strbuf_printf(struct strbuf *s, const char *fmt, ...) _printf_(2, 3);
/* Room for @len more bytes at buf + len; the caller adds to len what it wrote. */
int strbuf_reserve(struct strbuf *s, size_t len);
/* The text as a malloc()ed string (never NULL but when out of memory); the struct is empty then. */
char *strbuf_take(struct strbuf *s);

#define _cleanup_strbuf_ _cleanup_(strbuf_done)
