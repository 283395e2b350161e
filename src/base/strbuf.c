/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>

void strbuf_done(struct strbuf *s)
{
	free(s->buf);
	*s = (struct strbuf){ 0 };
}

int strbuf_reserve(struct strbuf *s, size_t len)
{
	size_t want = s->len + len + 1, cap = MAX(s->cap, 64);
	char *p;

	if (want <= s->cap)
		return 0;
	while (cap < want)
		cap *= 2;
	p = realloc(s->buf, cap);
	if (!p)
		return -ENOMEM;
	s->buf = p;
	s->cap = cap;
	s->buf[s->len] = 0;
	return 0;
}

int strbuf_add(struct strbuf *s, const void *data, size_t len)
{
	int ret = strbuf_reserve(s, len);

	if (ret < 0)
		return ret;
	memcpy(s->buf + s->len, data, len);
	s->len += len;
	s->buf[s->len] = 0;
	return 0;
}

int strbuf_puts(struct strbuf *s, const char *text)
{
	return strbuf_add(s, text, strlen(text));
}

int strbuf_printf(struct strbuf *s, const char *fmt, ...)
{
	va_list ap;
	int n, ret;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ret = strbuf_reserve(s, n);
	if (ret < 0)
		return ret;
	va_start(ap, fmt);
	vsnprintf(s->buf + s->len, n + 1, fmt, ap);
	va_end(ap);
	s->len += n;
	return 0;
}

char *strbuf_take(struct strbuf *s)
{
	char *p = s->buf ? s->buf : strdup("");

	*s = (struct strbuf){ 0 };
	return p;
}
