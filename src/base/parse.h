/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and lines out of text that is not ours. -EINVAL and an untouched result on anything odd. */
#pragma once

#include "base/util.h"

/* The whole of @s is one number in @base (0 as strtoull). No sign, no blanks around it. */
int parse_u64(const char *s, int base, uint64_t *ret);
int parse_u32(const char *s, int base, uint32_t *ret);
int parse_i64(const char *s, int base, int64_t *ret);
/* A size with an optional K, M, G or T. */
int parse_size(const char *s, uint64_t *ret);
/*
 * The value of the line "@key:" in @text ("Pid:\t5\n" style, as in /proc/PID/status and fdinfo):
 * a pointer to its first non-blank character, or NULL. The value ends at the newline.
 */
const char *key_value(const char *text, const char *key);
/* As key_value(), read as a number that ends at white space; -ENOENT without the key. */
int key_u64(const char *text, const char *key, int base, uint64_t *ret);
/* Split the next line off *@text in place: it is NUL-terminated, *@text moves on; NULL at the end. */
char *next_line(char **text);
/* Undo the \040 style escapes of /proc/PID/mountinfo in place. */
void unescape_octal(char *s);
