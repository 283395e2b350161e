/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bound datagram socket as syslogd has it: clients connected to it, messages queued by named and
 * unnamed senders, a late comer; its file keeps mode and owner. And two bound sockets connected to
 * each other, an abstract one, a client whose server is gone.
 */
#include "sockets.h"

static void expect_from(int fd, const char *text, const char *from)
{
	char buf[64] = { 0 };
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);

	if (recvfrom(fd, buf, sizeof(buf) - 1, 0, (struct sockaddr *)&a, &len) < 0)
		pfail("receive \"%s\"", text);
	if (len <= offsetof(struct sockaddr_un, sun_path))
		a.sun_path[0] = 0;
	if (strcmp(buf, text) || strcmp(a.sun_path, from))
		fail("received \"%s\" from \"%s\", wanted \"%s\" from \"%s\"", buf, a.sun_path, text, from);
}

int main(int argc, char **argv)
{
	int log, client, named, late, a, b, abs, absclient, dead, orphan;
	struct stat before, after;

	test_init(argc, argv);
	log = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	client = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	named = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	a = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	b = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	abs = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	absclient = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	dead = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	orphan = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	xbind_unix(log, "log.sock");
	if (chmod("log.sock", 0606) || chown("log.sock", 11, 22) || stat("log.sock", &before))
		pfail("log.sock");
	xconnect_unix(client, "log.sock");
	xbind_unix(named, "named.sock");
	xconnect_unix(named, "log.sock");
	xbind_unix(a, "a.sock");
	xbind_unix(b, "b.sock");
	xconnect_unix(a, "b.sock");
	xconnect_unix(b, "a.sock");
	xbind_unix(abs, abstract_name("abs"));
	xconnect_unix(absclient, abstract_name("abs"));
	xbind_unix(dead, "dead.sock");
	xconnect_unix(orphan, "dead.sock");
	close(dead);
	xsend(client, "unnamed");
	xsend(named, "named");
	xsend(a, "a to b");
	xsend(b, "b was first");
	for (int i = 0; i < 2; i++) {
		int gone = xsocket(AF_UNIX, SOCK_DGRAM, 0);

		xbind_unix(gone, "gone.sock");
		xconnect_unix(gone, "log.sock");
		xsend(gone, i ? "gone twice" : "gone");
		close(gone);
		unlink("gone.sock");
	}
	test_daemon();
	test_waitsig();
	if (stat("log.sock", &after) || before.st_mode != after.st_mode || before.st_uid != after.st_uid ||
	    before.st_gid != after.st_gid)
		fail("log.sock: mode %o uid %u gid %u", after.st_mode, after.st_uid, after.st_gid);
	expect_unix_name(log, 0, "log.sock");
	expect_unix_name(client, 1, "log.sock");
	expect_from(log, "unnamed", "");
	expect_from(log, "named", "named.sock");
	expect_from(log, "gone", "gone.sock");
	expect_from(log, "gone twice", "gone.sock");
	expect_empty(log);
	if (access("gone.sock", F_OK) == 0)
		fail("gone.sock is there again");
	xsend(client, "again");
	expect_from(log, "again", "");
	late = xsocket(AF_UNIX, SOCK_DGRAM, 0);
	xconnect_unix(late, "log.sock");
	xsend(late, "late");
	expect_from(log, "late", "");
	expect_from(b, "a to b", "a.sock");
	xsend(b, "b to a");
	expect_from(a, "b was first", "b.sock");
	expect_from(a, "b to a", "b.sock");
	expect_unix_name(abs, 0, abstract_name("abs"));
	xsend(absclient, "abstract");
	expect_recv(abs, "abstract");
	expect_unix_name(orphan, 1, "dead.sock");
	if (send(orphan, "x", 1, MSG_NOSIGNAL) >= 0 || errno != ECONNREFUSED)
		fail("a dead server answers");
	pass();
}
