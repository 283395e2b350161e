/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File systems that show the kernel's own objects: made again by their options, in the container's
 * namespaces (proc: pid, sysfs: net, mqueue: ipc). devpts holds only ttys, which file/ makes again in
 * it; mqueue's queues belong to the ipc namespace. Those there is one of in a kernel (securityfs,
 * debugfs, ...) come back as that one.
 */
#include "mnt/source.h"

static const char *const none[] = { NULL };
static const char *const proc_options[] = { "hidepid", "gid", "subset", NULL };
static const char *const devpts_options[] = { "uid", "gid", "mode", "ptmxmode", "max", NULL };
static const char *const mode_options[] = { "mode", "uid", "gid", NULL };

const struct fs_type fs_kernel_types[] = {
	{ "proc", FS_MAKE, proc_options, NULL },     { "sysfs", FS_MAKE, none, NULL },
	{ "devpts", FS_MAKE, devpts_options, NULL }, { "mqueue", FS_MAKE, none, NULL },
	{ "securityfs", FS_MAKE, none, NULL },	     { "debugfs", FS_MAKE, mode_options, NULL },
	{ "tracefs", FS_MAKE, mode_options, NULL },  { "configfs", FS_MAKE, none, NULL },
	{ "fusectl", FS_MAKE, none, NULL },	     { "pstore", FS_MAKE, none, NULL },
	{ "efivarfs", FS_MAKE, none, NULL },	     { "selinuxfs", FS_MAKE, none, NULL },
	{ "devtmpfs", FS_MAKE, none, NULL },	     { "binfmt_misc", FS_EMPTY, none, NULL },
	{ "bpf", FS_EMPTY, mode_options, NULL },     { NULL },
};
