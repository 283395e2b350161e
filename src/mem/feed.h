/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages from the page files into a task under construction. Pieces are collected first; then the
 * task's hand reads them from one end with preadv(2), and where there is much, a thread of ours puts
 * them in from the other end with process_vm_writev(2).
 */
#pragma once

#include "mem/mm.h"

struct feed;

/* The page files are given to the hand of @t; NULL: logged. */
struct feed *feed_new(struct restore *r, const struct rtask *t);
int feed_add(struct feed *f, uint64_t addr, uint64_t pages, uint64_t index);
/* Put everything in place that was added. */
int feed_run(struct feed *f);
/* Close the page files in the task; frees. */
int feed_end(struct feed *f);
