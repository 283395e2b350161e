/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data queued in a pipe, its size, flags, which ends are open: end-of-file and EPIPE where they were. */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[100000], big[100000];
	int full[2], eof[2], broken[2], flags, dupped, n;
	struct stat a, b;

	test_init(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(full, O_NONBLOCK | O_CLOEXEC) < 0 || pipe(eof) < 0 || pipe(broken) < 0)
		pfail("pipe");
	if (fcntl(full[1], F_SETPIPE_SZ, 1 << 17) != 1 << 17)
		pfail("F_SETPIPE_SZ");
	pattern_fill(big, sizeof(big), 7);
	if (write(full[1], big, sizeof(big)) != sizeof(big) || write(eof[1], "last", 4) != 4)
		pfail("write");
	close(eof[1]);
	close(broken[0]);
	dupped = dup(full[1]);
	if (fchmod(full[0], 0620) < 0)
		pfail("fchmod");
	flags = fcntl(full[1], F_GETFL);
	test_daemon();
	test_waitsig();
	if (fcntl(full[1], F_GETFL) != flags || fcntl(full[0], F_GETFD) != FD_CLOEXEC)
		fail("flags %o, were %o", fcntl(full[1], F_GETFL), flags);
	if (fcntl(full[0], F_GETPIPE_SZ) != 1 << 17)
		fail("size %d", fcntl(full[0], F_GETPIPE_SZ));
	if (fstat(full[0], &a) < 0 || fstat(full[1], &b) < 0 || a.st_ino != b.st_ino ||
	    (a.st_mode & 07777) != 0620)
		fail("ends of different pipes, or mode %o", a.st_mode);
	if (ioctl(full[0], FIONREAD, &n) < 0 || n != sizeof(buf))
		fail("%d bytes in the pipe", n);
	for (size_t got = 0; got < sizeof(buf); got += n) {
		n = read(full[0], buf + got, sizeof(buf) - got);
		if (n <= 0)
			pfail("read");
	}
	if (memcmp(buf, big, sizeof(buf)))
		fail("data");
	if (read(full[0], buf, 1) != -1 || errno != EAGAIN)
		fail("more than was written");
	if (write(dupped, "x", 1) != 1 || read(full[0], buf, 1) != 1)
		fail("the dup");
	if (read(eof[0], buf, 10) != 4 || memcmp(buf, "last", 4) || read(eof[0], buf, 10) != 0)
		fail("no end-of-file");
	if (write(broken[1], "x", 1) != -1 || errno != EPIPE)
		fail("no EPIPE");
	pass();
}
