/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File systems that cannot be made again when their superblock is not one of the host's: their state
 * is in a process (fuse), on a network or in an automounter. As binds from the host they are fine.
 */
#include "mnt/source.h"

#define UNMOUNT_OR_EXTERNAL "unmount it, or pass --external mnt[PATH]:NAME and give it at the restore"

const struct fs_type fs_refused_types[] = {
	{ "fuse", FS_REFUSE, NULL, "its server's connection cannot be saved; " UNMOUNT_OR_EXTERNAL },
	{ "fuseblk", FS_REFUSE, NULL, "its server's connection cannot be saved; " UNMOUNT_OR_EXTERNAL },
	{ "nfs", FS_REFUSE, NULL, "a network file system mounted in the container; " UNMOUNT_OR_EXTERNAL },
	{ "nfs4", FS_REFUSE, NULL, "a network file system mounted in the container; " UNMOUNT_OR_EXTERNAL },
	{ "cifs", FS_REFUSE, NULL, "a network file system mounted in the container; " UNMOUNT_OR_EXTERNAL },
	{ "9p", FS_REFUSE, NULL, "a network file system mounted in the container; " UNMOUNT_OR_EXTERNAL },
	{ "autofs", FS_REFUSE, NULL, "an automounter's connection cannot be saved; unmount it" },
	{ "overlay", FS_REFUSE, NULL, "an overlay mounted in the container; " UNMOUNT_OR_EXTERNAL },
	{ NULL },
};
