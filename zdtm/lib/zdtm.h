/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every behaviour test is made of. The order:
 *
 *	test_init(argc, argv);	we are a daemon now; the runner waits
 *	... make the object ...
 *	test_daemon();		ready: the runner dumps and restores us from here on
 *	test_waitsig();		or: while (test_go()) work();
 *	... check the object ...
 *	pass();
 *
 * Comments in the first 40 lines of a test say how scripts/run-tests is to run it:
 *
 *	modes: host ns userns running twice	(default: all)
 *	dump: OPTIONS		restore: OPTIONS	more options for ctcr
 *	refuse: TEXT		the dump must fail with TEXT in its output, the test goes on unharmed
 *	warn: TEXT		the dump must say TEXT. "refuse" and "warn" may come several times
 *	timeout: SECONDS	(default 20)
 */
#pragma once

#include <stdbool.h>

/*
 * Become a daemon: own session, standard input /dev/null, output to test.log. Only the daemon
 * returns; the process that was started waits until test_daemon() and leaves then.
 */
void test_init(int argc, char **argv);
/* Say that everything is in place. */
void test_daemon(void);
/* Sleep until the runner says that we have been restored (SIGTERM). */
void test_waitsig(void);
/* False once the runner has said so. */
bool test_go(void);
/* Verdict, and the end of the calling process. A child's fail() counts, its exit alone does not. */
__attribute__((noreturn)) void pass(void);
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...);
/* fail() with the text of errno. */
__attribute__((noreturn, format(printf, 1, 2))) void pfail(const char *fmt, ...);
/* This machine cannot run the test; only before test_daemon(). */
__attribute__((noreturn, format(printf, 1, 2))) void skip(const char *fmt, ...);
/* Wait for a child's end; fail() unless it exits with 0. */
void wait_child(int pid);
/* A line for the log. */
__attribute__((format(printf, 1, 2))) void test_msg(const char *fmt, ...);
/* The number of the line "KEY: N" of /proc/self/status (as VmLck, in kB); -1 without one. */
long status_number(const char *key);
/* One page fault tells: can *@p be read? Takes SIGSEGV for the time. */
bool is_readable(const volatile char *p);
/* The whole of a small file as text; and such a file written with one write(). */
void file_get(const char *path, char *buf, unsigned long size);
void file_put(const char *path, const char *text);
/* A repeatable pattern, and the offset of the first byte that differs from it (-1: none does). */
void pattern_fill(void *buf, unsigned long len, unsigned int seed);
long pattern_check(const void *buf, unsigned long len, unsigned int seed);
