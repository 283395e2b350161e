/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An overlay of the container's own is refused, with what to do. */
/* modes: ns */
/* refuse: an overlay mounted in the container; unmount it */
#include <sys/mount.h>
#include <sys/stat.h>

#include <stdio.h>
#include <unistd.h>

#include "zdtm.h"

int main(int argc, char **argv)
{
	test_init(argc, argv);
	if (mkdir("m", 0755) || mount("none", "m", "tmpfs", 0, "size=1m") || mkdir("m/l", 0755) ||
	    mkdir("m/u", 0755) || mkdir("m/w", 0755) || mkdir("m/o", 0755))
		pfail("directories");
	if (mount("o", "m/o", "overlay", 0, "lowerdir=m/l,upperdir=m/u,workdir=m/w"))
		skip("no overlay here");
	test_daemon();
	test_waitsig();
	pass();
}
