/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that lost their name but have others: remap.c. Inside of file/. Negative errno; the caller logs. */
#pragma once

#include "core/obj.h"
#include "proto/reg.pb-c.h"

struct remaps;

/*
 * @f has lost its name *@path: replaced by another one in the same directory; with --link-remap by that of a
 * temporary link, which is not made yet. -ENOENT: there is none.
 */
int file_other_name(struct dump *d, const struct file_desc *f, char **path);
/* Is @path the name of a temporary link? */
bool remap_is(const char *path);
/* Note that @path is to lead to @f; all that were noted are made, behind a guard, by remaps_make() (logs). */
int remap_plan(struct dump *d, const struct file_desc *f, const char *path);
int remaps_make(struct dump *d);
/* Free @all (may be NULL); links of a dump are removed unless @keep. */
void remaps_done(struct remaps *all, bool keep);

/* Restore: can @e be such a link? -EBADMSG. */
int remap_check(const RegEntry *e);
/* Open it by @hand; the link itself is removed by files_remove_links(). */
int remap_open(struct restore *r, struct remote *hand, const RegEntry *e, int flags);
