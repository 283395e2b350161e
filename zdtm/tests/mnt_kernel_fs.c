/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File systems of the kernel with options: proc, devpts, mqueue, sysfs, ramfs; flags of superblock and mount.
 */
/* modes: ns userns running twice */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mounts.h"

static void fs(const char *where, const char *type, unsigned long flags, const char *options)
{
	if (mkdir(where, 0755))
		pfail("mkdir %s", where);
	if (mount("src", where, type, flags, options))
		pfail("mount %s", where);
}

int main(int argc, char **argv)
{
	char *before, *after;
	struct stat st;
	pid_t self;

	test_init(argc, argv);
	self = getpid();
	if (mkdir("m", 0755) || mount("none", "m", "tmpfs", 0, "size=1m"))
		pfail("m");
	fs("m/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible,gid=5");
	fs("m/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,gid=5,mode=620,ptmxmode=600,max=17");
	fs("m/mq", "mqueue", MS_NOATIME, NULL);
	fs("m/ro", "tmpfs", MS_RDONLY, "size=8k,mode=700,uid=3,gid=4");
	fs("m/strict", "tmpfs", MS_STRICTATIME | MS_NODIRATIME, "nr_inodes=77");
	fs("m/ram", "ramfs", 0, "mode=751");
	if (mkdir("m/ram/x", 0700))
		pfail("ramfs");
	before = mounts_text(&self, 1);
	test_daemon();
	test_waitsig();
	after = mounts_text(&self, 1);
	mounts_compare(before, after);
	if (open("m/ro/x", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EROFS)
		fail("the read-only tmpfs can be written");
	if (access("m/ram/x", F_OK) || access("m/proc/self", F_OK) || stat("m/pts/ptmx", &st))
		pfail("contents");
	if ((st.st_mode & 07777) != 0600)
		fail("ptmx has mode %o", st.st_mode);
	pass();
}
