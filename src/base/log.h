/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log sink, the only mutable global of the program.
 *
 * Lines go to standard error (down to the level set by -v) and, once log_to() named one, to a
 * file (down to info, or debug with -v). Log once, where the object's name is known; callers
 * above only pass the negative errno on. base/ itself never logs.
 */
#pragma once

#include "base/util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* @verb is put in front of each line ("ctcr: dump: ..."); @level is what standard error shows. */
void log_init(const char *verb, enum log_level level);
/* The face of the lines: "criu" makes errors read "Error (file:line): text" as its users expect. */
void log_face_criu(bool on);
/* Also write to @fd (kept, not closed until exit); -1 ends it. */
void log_to(int fd);
/* Log nothing to standard error any more (the far end may not read it). */
void log_quiet(bool on);
int log_fd(void);
/* Has the file of log_to() a line that standard error did not show? */
bool log_hidden(void);

void log_line(enum log_level level, const char *file, int line, const char *fmt, ...) _printf_(4, 5);
/* As log_line() for an error, followed by the text of @err (positive or negative); returns -|err|. */
int log_errno_line(const char *file, int line, int err, const char *fmt, ...) _printf_(4, 5);

#define log_error(...) log_line(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__)
#define log_errno(err, ...) log_errno_line(__FILE__, __LINE__, (err), __VA_ARGS__)
/* Out of memory: log and return -ENOMEM. */
#define log_oom() log_errno(-ENOMEM, "%s", __func__)
