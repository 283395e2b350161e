/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contents of a tmpfs: links, extended attributes, nodes, holes, owners, times, odd names. */
/* modes: ns userns running twice */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "mounts.h"

#define HOLE (3 << 20)

static void put(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0640);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd))
		pfail("%s", name);
}

static void age(const char *name, long when)
{
	struct timespec t[2] = { { when, 111 }, { when + 5, 987654321 } };

	if (utimensat(AT_FDCWD, name, t, AT_SYMLINK_NOFOLLOW))
		pfail("utimensat %s", name);
}

static void check(const char *name, mode_t mode, uid_t uid, gid_t gid, long when)
{
	struct stat st;

	if (lstat(name, &st))
		pfail("%s", name);
	if (st.st_mode != mode || st.st_uid != uid || st.st_gid != gid)
		fail("%s: mode %o uid %u gid %u", name, st.st_mode, st.st_uid, st.st_gid);
	if (st.st_mtim.tv_sec != when + 5 || st.st_mtim.tv_nsec != 987654321)
		fail("%s: mtime %ld.%ld", name, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void check_text(const char *name, const void *want, size_t len)
{
	char buf[256];
	int fd = open(name, O_RDONLY);

	if (fd < 0 || read(fd, buf, sizeof(buf)) != (ssize_t)len || memcmp(buf, want, len))
		fail("%s: not what was written", name);
	close(fd);
}

static void make_sparse(void)
{
	int fd = open("t/sparse", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || pwrite(fd, "middle", 6, HOLE) != 6 || ftruncate(fd, 2 * HOLE))
		pfail("sparse");
	close(fd);
}

static void check_sparse(void)
{
	struct stat st;
	char buf[8] = { 0 };
	int fd = open("t/sparse", O_RDONLY);

	if (fd < 0 || fstat(fd, &st) || pread(fd, buf, 6, HOLE) != 6)
		pfail("sparse");
	if (st.st_size != 2 * HOLE || memcmp(buf, "middle", 6))
		fail("sparse: size %ld, \"%s\"", (long)st.st_size, buf);
	if (st.st_blocks > 64)
		fail("sparse: its holes take %ld blocks", (long)st.st_blocks);
	close(fd);
}

static int dev_made;

static void make(void)
{
	if (mkdir("t", 0755) ||
	    mount("name of it", "t", "tmpfs", MS_NOSUID | MS_NOATIME, "size=40m,mode=1750,nr_inodes=500"))
		pfail("tmpfs");
	if (mkdir("t/dir", 0700) || mkdir("t/dir/sub", 02711))
		pfail("mkdir");
	put("t/dir/file", "contents", 8);
	put("t/empty", "", 0);
	put("t/b\377d \n name", "odd", 3);
	make_sparse();
	if (link("t/dir/file", "t/hard") || symlink("../nowhere", "t/dir/sym") || mkfifo("t/fifo", 0612))
		pfail("links");
	dev_made = !mknod("t/dev", S_IFCHR | 0604, makedev(1, 7));
	if (setxattr("t/hard", "user.colour", "blue", 4, 0) && errno != EOPNOTSUPP)
		pfail("setxattr");
	if (chown("t/dir", 5, 6) || chown("t/dir/sub", 7, 8) || chmod("t/dir/sub", 02711) ||
	    lchown("t/dir/sym", 9, 10) || chown("t", 11, 12))
		pfail("chown");
	age("t/dir/file", 1000000);
	age("t/dir/sym", 2000000);
	age("t/fifo", 3000000);
	age("t/dir/sub", 4000000);
	age("t/dir", 5000000);
	age("t", 6000000);
}

int main(int argc, char **argv)
{
	struct stat a, b;
	char value[8], link[32], *before, *after;
	pid_t self;
	int had_xattr;

	test_init(argc, argv);
	self = getpid();
	make();
	had_xattr = getxattr("t/hard", "user.colour", value, sizeof(value)) == 4;
	before = mounts_text(&self, 1);
	test_daemon();
	test_waitsig();
	after = mounts_text(&self, 1);
	mounts_compare(before, after);
	check("t", S_IFDIR | 01750, 11, 12, 6000000);
	check("t/dir", S_IFDIR | 0700, 5, 6, 5000000);
	check("t/dir/sub", S_IFDIR | 02711, 7, 8, 4000000);
	check("t/dir/sym", S_IFLNK | 0777, 9, 10, 2000000);
	check("t/dir/file", S_IFREG | 0640, 0, 0, 1000000);
	check("t/fifo", S_IFIFO | (0612 & ~022), 0, 0, 3000000);
	check_text("t/dir/file", "contents", 8);
	check_text("t/empty", "", 0);
	check_text("t/b\377d \n name", "odd", 3);
	check_sparse();
	if (stat("t/hard", &a) || stat("t/dir/file", &b) || a.st_ino != b.st_ino || a.st_nlink != 2)
		fail("the hard link is none");
	if (readlink("t/dir/sym", link, sizeof(link)) != 10 || memcmp(link, "../nowhere", 10))
		fail("the symbolic link leads elsewhere");
	if (had_xattr &&
	    (getxattr("t/hard", "user.colour", value, sizeof(value)) != 4 || memcmp(value, "blue", 4)))
		fail("the extended attribute is lost");
	if (dev_made && (stat("t/dev", &a) || !S_ISCHR(a.st_mode) || a.st_rdev != makedev(1, 7)))
		fail("the device node is lost");
	pass();
}
