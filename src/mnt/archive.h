/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contents of a file system in memory as a pax archive (libarchive): hard links, extended attributes,
 * ACLs, holes, device nodes, fifos, times, owners. Nodes of unix sockets are left out: their bind makes
 * them. Both run in a throwaway child; errors are logged with @what.
 */
#pragma once

#include "base/util.h"

/* The directory, or the one file, @root (O_PATH is fine) into the archive @out. */
int archive_pack(int root, int out, const char *what);
/*
 * The archive @in into the file system @root, at @place ("/": all of it), whose directories are made:
 * a directory, or with @is_dir false one file. Nothing outside of @root is reached.
 */
int archive_unpack(int root, const char *place, bool is_dir, int in, const char *what);
