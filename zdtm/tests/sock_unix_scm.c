/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors in flight: a pipe only the queue holds, a file we hold too, one end of a socket pair
 * whose other end we hold, a socket in its own queue; data around them; credentials of the sender.
 */
#include "sockets.h"

static void send_fd(int sock, const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) < 0)
		pfail("send a descriptor");
}

/* The next message is @text with one control message of @type, copied to @ret. */
static void recv_control(int sock, const char *text, int type, void *ret, size_t size)
{
	char control[256] = { 0 }, buf[64] = { 0 };
	struct iovec iov = { buf, sizeof(buf) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(sock, &m, 0) < 0)
		pfail("receive \"%s\"", text);
	c = CMSG_FIRSTHDR(&m);
	if (strcmp(buf, text))
		fail("received \"%s\", wanted \"%s\"", buf, text);
	if (!c || c->cmsg_type != type || c->cmsg_len != CMSG_LEN(size))
		fail("\"%s\" came without its control message %d", text, type);
	memcpy(ret, CMSG_DATA(c), size);
}

int main(int argc, char **argv)
{
	int sv[2], dg[2], pipefd[2], pair[2], cred[2], self[2], held, fd;
	struct ucred c, mine = { getpid(), getuid(), getgid() };
	char byte;

	test_init(argc, argv);
	mine.pid = getpid();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) || socketpair(AF_UNIX, SOCK_DGRAM, 0, dg) || pipe(pipefd) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || socketpair(AF_UNIX, SOCK_DGRAM, 0, cred) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, self))
		pfail("pairs");
	held = open("held", O_RDWR | O_CREAT, 0600);
	if (held < 0 || write(held, "held", 4) != 4)
		pfail("held");
	xsend(sv[0], "before ");
	send_fd(sv[0], "pipe", pipefd[0]);
	close(pipefd[0]);
	xsend(sv[0], "after");
	if (write(pipefd[1], "p", 1) != 1)
		pfail("pipe");
	send_fd(dg[0], "held", held);
	send_fd(dg[0], "pair", pair[0]);
	close(pair[0]);
	xsend(pair[1], "deep");
	send_fd(self[0], "self", self[1]);
	set_int(cred[1], SOL_SOCKET, SO_PASSCRED, 1);
	xsend(cred[0], "who");
	test_daemon();
	test_waitsig();
	recv_control(sv[1], "before pipe", SCM_RIGHTS, &fd, sizeof(fd));
	if (read(fd, &byte, 1) != 1 || byte != 'p')
		fail("the pipe in flight lost its byte");
	if (write(pipefd[1], "q", 1) != 1 || read(fd, &byte, 1) != 1 || byte != 'q')
		fail("the pipe in flight is not our pipe");
	expect_recv(sv[1], "after");
	recv_control(dg[1], "held", SCM_RIGHTS, &fd, sizeof(fd));
	if (lseek(held, 1, SEEK_SET) != 1 || lseek(fd, 0, SEEK_CUR) != 1)
		fail("not the description that was sent");
	recv_control(dg[1], "pair", SCM_RIGHTS, &fd, sizeof(fd));
	expect_recv(fd, "deep");
	xsend(fd, "up");
	expect_recv(pair[1], "up");
	recv_control(self[1], "self", SCM_RIGHTS, &fd, sizeof(fd));
	xsend(self[0], "me");
	expect_recv(fd, "me");
	if (!get_int(cred[1], SOL_SOCKET, SO_PASSCRED))
		fail("SO_PASSCRED is off");
	recv_control(cred[1], "who", SCM_CREDENTIALS, &c, sizeof(c));
	if (c.pid != mine.pid || c.uid != mine.uid || c.gid != mine.gid)
		fail("sent by pid %d uid %u gid %u, not %d %u %u", c.pid, c.uid, c.gid, mine.pid, mine.uid, mine.gid);
	pass();
}
