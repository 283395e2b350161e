/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --skip-mnt leaves a mount out, with all that is on it. */
/* modes: ns userns twice */
/* dump: --skip-mnt /dev/shm */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mounts.h"

int main(int argc, char **argv)
{
	char *before, *after;
	pid_t self;

	test_init(argc, argv);
	self = getpid();
	if (mkdir("/dev/shm/on", 0755) || mount("none", "/dev/shm/on", "tmpfs", 0, NULL))
		pfail("/dev/shm/on");
	before = mounts_text(&self, 1);
	test_daemon();
	test_waitsig();
	after = mounts_text(&self, 1);
	if (!strstr(before, " /dev/shm/on ") || strstr(after, " /dev/shm "))
		fail("/dev/shm is there: %s", after);
	if (strstr(after, " /dev/shm/on ") || !access("/dev/shm/on", F_OK))
		fail("what was on it is there: %s", after);
	if (!strstr(after, " /dev/mqueue ") || access("/dev/shm", F_OK))
		fail("more is missing");
	pass();
}
