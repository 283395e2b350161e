/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --external mnt[POINT]:NAME at the dump, mnt[NAME]:PATH at the restore: another directory of the host in its
 * place. */
/* modes: ns userns */
/* dump: --external mnt[/srv]:data */
/* restore: --external mnt[data]:/etc */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mounts.h"

int main(int argc, char **argv)
{
	char *after;
	pid_t self;

	test_init(argc, argv);
	self = getpid();
	if (mount("none", "/srv", "tmpfs", MS_NOSUID, "size=4k") || mkdir("/srv/before", 0755) ||
	    mount(NULL, "/srv", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC | MS_RDONLY, NULL))
		pfail("/srv");
	test_daemon();
	test_waitsig();
	after = mounts_text(&self, 1);
	if (access("/srv/passwd", F_OK) || !access("/srv/before", F_OK))
		fail("/srv is not the directory that was given");
	if (!strstr(after, " /etc /srv ro,nosuid,noexec,"))
		fail("flags: %s", after);
	pass();
}
