/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of open file descriptions and of descriptor tables, for dump and restore.
 */
#pragma once

#include "core/obj.h"

/* Survey: go through all descriptions of all tasks without stopping them; after tree_share(), ns_collect().
 */
int files_survey(struct dump *d);
/* Steal and identify every descriptor of every task (tasks are held; hands exist). */
int files_collect(struct dump *d);
/*
 * The id of the description behind our descriptor @fd of something that is no numbered descriptor of
 * @t: a mapped file, an executable, a cwd. @fd is consumed.
 */
int files_add(struct dump *d, struct task *t, int fd, const char *link, uint32_t *ret_id);
/* The id of the description @t holds as @fd; -ENOENT. For epoll targets, SCM_RIGHTS and the like. */
int files_find(struct dump *d, struct task *t, int fd, uint32_t *ret_id);
/* The collected description that is the kernel object @st (st_dev, st_ino), e.g. a unix peer; NULL. */
const struct file_desc *files_by_inode(struct dump *d, dev_t dev, ino_t ino);
/* Dump every description through its kind; write files.img and fds.img. */
int files_dump(struct dump *d);
/* The tasks are about to be ended for good: temporary links (--link-remap) stay, for the restore. */
void files_keep_links(struct dump *d);
void files_dump_done(struct dump *d);

/* Restore: read and check files.img, fds.img. */
int files_load(struct restore *r);
/* Topological order by deps; a cycle names its members. Refuses what cannot be made. */
int files_plan(struct restore *r);
/* In a deps(): file @id must exist before. */
int file_dep(struct restore *r, uint32_t id);
/* Our own descriptor of file @id, made on first use (by its maker's hand); borrowed. */
int files_get(struct restore *r, uint32_t id);
const FileEntry *files_entry(const struct restore *r, uint32_t id);
/* The descriptor the caller of ctcr gave for this object, --inherit-fd fd[N]:KEY; NULL. */
const struct inherit_fd *file_inherited(const struct restore *r, const FileEntry *msg);
/* Make all objects, in order. */
int files_restore(struct restore *r);
/* Hand the descriptors of t's table out to it (first holder of a files_id only). */
int files_install(struct restore *r, struct rtask *t);
/* Everything is installed: run finish() of every kind. */
int files_finish(struct restore *r);
/* The restore is complete: remove the temporary links. */
void files_remove_links(struct restore *r);
/* One more than the highest descriptor number in the table @files_id. */
int files_top(const struct restore *r, uint32_t files_id);
void files_restore_done(struct restore *r);
