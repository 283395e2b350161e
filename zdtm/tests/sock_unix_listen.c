/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening sockets by path and abstract name: connections accepted and not yet accepted, names of
 * both ends, the credentials each side sees of the other, new clients, the backlog.
 */
#include "sockets.h"

#include <sys/wait.h>

#define UID 1234

static struct ucred creds(int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len))
		pfail("SO_PEERCRED");
	return c;
}

static void expect_creds(int fd, const struct ucred *want)
{
	struct ucred c = creds(fd);

	if (c.pid != want->pid || c.uid != want->uid || c.gid != want->gid)
		fail("peer is pid %d uid %u gid %u, was pid %d uid %u gid %u", c.pid, c.uid, c.gid, want->pid,
		     want->uid, want->gid);
}

static int connect_to(const char *name)
{
	int fd = xsocket(AF_UNIX, SOCK_STREAM, 0);

	xconnect_unix(fd, name);
	return fd;
}

/* A client of another user, in a process of its own. */
static pid_t start_client(const char *name)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	if (setgid(UID + 1) || setuid(UID))
		pfail("setuid");
	fd = connect_to(name);
	expect_recv(fd, "to the client");
	xsend(fd, "from the client");
	_exit(0);
}

static void check_pair(int server, int client, const char *name)
{
	expect_unix_name(server, 0, name);
	expect_unix_name(server, 1, "");
	expect_unix_name(client, 0, "");
	expect_unix_name(client, 1, name);
	xsend(client, "hello");
	expect_recv(server, "hello");
	xsend(server, "hello yourself");
	expect_recv(client, "hello yourself");
}

int main(int argc, char **argv)
{
	const char *names[] = { "listen.sock", abstract_name("listen") };
	int listener[2], client[2], server[2], waiting[2][2], foreign;
	struct ucred of_client[2], of_server[2], of_foreign;
	pid_t child;

	test_init(argc, argv);
	for (int i = 0; i < 2; i++) {
		listener[i] = xsocket(AF_UNIX, SOCK_STREAM, 0);
		xbind_unix(listener[i], names[i]);
		xlisten(listener[i], 5);
	}
	chmod(names[0], 0777);
	chmod(".", 0777);
	child = start_client(names[0]);
	foreign = xaccept(listener[0]);
	of_foreign = creds(foreign);
	for (int i = 0; i < 2; i++) {
		client[i] = connect_to(names[i]);
		server[i] = xaccept(listener[i]);
		of_client[i] = creds(server[i]);
		of_server[i] = creds(client[i]);
		waiting[i][0] = connect_to(names[i]);
		waiting[i][1] = connect_to(names[i]);
	}
	test_daemon();
	test_waitsig();
	expect_creds(foreign, &of_foreign);
	for (int i = 0; i < 2; i++) {
		int fd;

		expect_creds(server[i], &of_client[i]);
		expect_creds(client[i], &of_server[i]);
		expect_unix_name(listener[i], 0, names[i]);
		if (!get_int(listener[i], SOL_SOCKET, SO_ACCEPTCONN))
			fail("does not listen");
		check_pair(server[i], client[i], names[i]);
		xsend(waiting[i][0], "first");
		xsend(waiting[i][1], "second");
		fd = xaccept(listener[i]);
		expect_recv(fd, "first");
		fd = xaccept(listener[i]);
		expect_recv(fd, "second");
		fd = connect_to(names[i]);
		check_pair(xaccept(listener[i]), fd, names[i]);
	}
	xsend(foreign, "to the client");
	expect_recv(foreign, "from the client");
	wait_child(child);
	pass();
}
