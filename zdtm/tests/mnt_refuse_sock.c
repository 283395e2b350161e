/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bind mount of a socket's file on a tmpfs is refused before anything is stopped. */
/* modes: ns userns */
/* refuse: bind of a unix socket's file */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <stdio.h>
#include <unistd.h>

#include "zdtm.h"

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "m/sock" };
	int sk = socket(AF_UNIX, SOCK_STREAM, 0);

	test_init(argc, argv);
	if (mkdir("m", 0755) || mount("none", "m", "tmpfs", 0, "size=1m") ||
	    bind(sk, (void *)&a, sizeof(a)) || listen(sk, 1))
		pfail("socket");
	close(open("m/at", O_CREAT | O_WRONLY, 0600));
	if (mount("m/sock", "m/at", NULL, MS_BIND, NULL))
		pfail("bind");
	test_daemon();
	test_waitsig();
	pass();
}
