/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File systems whose files live in memory: tmpfs and ramfs with contents, hugetlbfs empty.
 *
 * Shown by mountinfo: options. Contents are read through a private copy of the mount (mnt/peek.h) into
 * a pax archive: hard links, extended attributes, ACLs, holes, device nodes, fifos. Not restored: ctime,
 * inode numbers, directory order, quota limits per user. Nodes of unix sockets come back by their bind.
 * hugetlbfs files cannot be written by write(2): only an empty one is taken.
 */
#include "mnt/source.h"

static const char *const tmpfs_options[] = { "size",   "nr_blocks", "nr_inodes", "mode",     "uid",
					     "gid",    "huge",	    "mpol",	 "inode32",  "inode64",
					     "noswap", "usrquota",  "grpquota",	 "casefold", NULL };
static const char *const ramfs_options[] = { "mode", NULL };
static const char *const hugetlbfs_options[] = { "pagesize", "size", "min_size", "nr_inodes",
						 "mode",     "uid",  "gid",	 NULL };

const struct fs_type fs_memory_types[] = {
	{ "tmpfs", FS_FILL, tmpfs_options, NULL },
	{ "ramfs", FS_FILL, ramfs_options, NULL },
	{ "hugetlbfs", FS_EMPTY, hugetlbfs_options, NULL },
	{ NULL },
};
