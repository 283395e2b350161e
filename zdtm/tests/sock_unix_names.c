/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns userns twice */
/*
 * Names and files that went apart: the file unlinked, renamed, reached by a symbolic link, bound by a
 * relative name from another directory; the listener closed while its connections live on; a bound
 * client; several holders of one socket.
 */
#include "sockets.h"

#include <limits.h>

static int listener(const char *name)
{
	int fd = xsocket(AF_UNIX, SOCK_STREAM, 0);

	xbind_unix(fd, name);
	xlisten(fd, 5);
	return fd;
}

static int client(const char *name)
{
	int fd = xsocket(AF_UNIX, SOCK_STREAM, 0);

	xconnect_unix(fd, name);
	return fd;
}

static void check(int a, int b)
{
	xsend(a, "to b");
	expect_recv(b, "to b");
	xsend(b, "to a");
	expect_recv(a, "to a");
}

int main(int argc, char **argv)
{
	int unlinked, renamed, linked, relative, closed, bound, uc, us, cc, cs, ba, fd;
	char path[PATH_MAX];

	test_init(argc, argv);
	if (!getcwd(path, sizeof(path) - 20) || mkdir("dir", 0755) || symlink("dir", "link"))
		pfail("directories");
	unlinked = listener("unlinked.sock");
	uc = client("unlinked.sock");
	us = xaccept(unlinked);
	unlink("unlinked.sock");
	renamed = listener("new.sock");
	rename("new.sock", "dir/final.sock");
	linked = listener("link/linked.sock");
	if (chdir("dir"))
		pfail("chdir");
	relative = listener("relative.sock");
	if (chdir(".."))
		pfail("chdir");
	closed = listener("closed.sock");
	cc = client("closed.sock");
	cs = xaccept(closed);
	close(closed);
	closed = listener(abstract_name("other"));
	bound = xsocket(AF_UNIX, SOCK_STREAM, 0);
	xbind_unix(bound, "bound.sock");
	xconnect_unix(bound, abstract_name("other"));
	ba = xaccept(closed);
	test_daemon();
	test_waitsig();
	if (access("unlinked.sock", F_OK) == 0)
		fail("unlinked.sock is there again");
	expect_unix_name(unlinked, 0, "unlinked.sock");
	expect_unix_name(uc, 1, "unlinked.sock");
	check(uc, us);
	if (access("new.sock", F_OK) == 0)
		fail("new.sock is there again");
	expect_unix_name(renamed, 0, "new.sock");
	fd = client("dir/final.sock");
	check(fd, xaccept(renamed));
	expect_unix_name(fd, 1, "new.sock");
	expect_unix_name(linked, 0, "link/linked.sock");
	fd = client("dir/linked.sock");
	check(fd, xaccept(linked));
	expect_unix_name(relative, 0, "relative.sock");
	fd = client("dir/relative.sock");
	check(fd, xaccept(relative));
	expect_unix_name(cc, 1, "closed.sock");
	expect_unix_name(cs, 0, "closed.sock");
	check(cc, cs);
	expect_unix_name(bound, 0, "bound.sock");
	expect_unix_name(ba, 1, "bound.sock");
	check(bound, ba);
	/* Nothing of the making is left. */
	unlink("dir/final.sock");
	unlink("dir/linked.sock");
	unlink("dir/relative.sock");
	unlink("link");
	if (rmdir("dir"))
		pfail("dir is not empty");
	pass();
}
