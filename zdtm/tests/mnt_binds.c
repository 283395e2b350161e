/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Binds of directories and files, with flags of their own; mounts over mounts and mounts hidden by
 * others; binds whose source has been unlinked.
 */
/* modes: ns userns running twice */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mounts.h"

static void dir(const char *name)
{
	if (mkdir(name, 0755))
		pfail("mkdir %s", name);
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd))
		pfail("%s", name);
}

static void expect(const char *name, const char *text)
{
	char buf[64] = "";
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		pfail("%s", name);
	if (read(fd, buf, sizeof(buf) - 1) < 0 || strcmp(buf, text))
		fail("%s: \"%s\", not \"%s\"", name, buf, text);
	close(fd);
}

static void tmpfs(const char *where)
{
	if (mount("none", where, "tmpfs", 0, "size=1m"))
		pfail("tmpfs %s", where);
}

static void bind(const char *from, const char *to, unsigned long flags)
{
	if (mount(from, to, NULL, MS_BIND, NULL))
		pfail("bind %s %s", from, to);
	if (flags && mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | flags, NULL))
		pfail("flags of %s", to);
}

static void make(void)
{
	dir("m");
	tmpfs("m");
	dir("m/a");
	dir("m/a/deep");
	dir("m/b");
	dir("m/c");
	put("m/a/file", "one");
	put("m/b/file", "two");
	put("m/f", "");
	put("m/gone", "unlinked");
	put("m/gone2", "");
	dir("m/gonedir");
	dir("m/d");
	dir("m/rootfs");
	bind("m/a", "m/c", MS_RDONLY | MS_NOEXEC | MS_NOSUID | MS_NODEV);
	bind("m/b/file", "m/f", MS_NODEV | MS_NOATIME);
	bind("m/gone", "m/gone2", MS_RDONLY);
	bind("m/gonedir", "m/d", 0);
	bind("/etc", "m/rootfs", MS_RDONLY);
	if (unlink("m/gone") || rmdir("m/gonedir"))
		pfail("unlink");
	/* Hidden: a mount at a/deep, then one over a that covers it, then another on top. */
	tmpfs("m/a/deep");
	put("m/a/deep/hidden", "hidden");
	tmpfs("m/a");
	put("m/a/middle", "middle");
	tmpfs("m/a");
	put("m/a/top", "top");
}

int main(int argc, char **argv)
{
	char *before, *after;
	pid_t self;

	test_init(argc, argv);
	self = getpid();
	make();
	before = mounts_text(&self, 1);
	test_daemon();
	test_waitsig();
	after = mounts_text(&self, 1);
	mounts_compare(before, after);
	expect("m/c/file", "one");
	expect("m/f", "two");
	expect("m/gone2", "unlinked");
	expect("m/a/top", "top");
	if (open("m/c/new", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EROFS)
		fail("the read-only bind can be written");
	if (access("m/gone", F_OK) == 0 || access("m/gonedir", F_OK) == 0)
		fail("the unlinked sources have names again");
	if (access("m/rootfs/passwd", F_OK))
		fail("the bind of /etc is empty");
	if (umount("m/a"))
		pfail("umount top");
	expect("m/a/middle", "middle");
	if (umount("m/a"))
		pfail("umount middle");
	expect("m/a/file", "one");
	expect("m/a/deep/hidden", "hidden");
	put("m/b/file", "three");
	expect("m/f", "three");
	pass();
}
