/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flock, POSIX and OFD locks are held again, by their owners. */
/* dump: --file-locks */
/* restore: --file-locks */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, which owns none of our POSIX locks. */
static int try_posix(int type, long start, long len)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct flock fl = { .l_type = type, .l_start = start, .l_len = len };
		int fd = open("posix", O_RDWR);

		_exit(fd < 0 ? 2 : fcntl(fd, F_SETLK, &fl) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status >> 8 : -1;
}

static int try_ofd(int type, long start)
{
	int fd = open("ofd", O_RDWR);
	struct flock fl = { .l_type = type, .l_start = start, .l_len = 1 };
	int ret = fcntl(fd, F_OFD_SETLK, &fl) < 0;

	close(fd);
	return ret;
}

int main(int argc, char **argv)
{
	struct flock wr = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 },
		     rd = { .l_type = F_RDLCK, .l_start = 100 };
	int fl, posix, ofd, other;

	test_init(argc, argv);
	fl = open("flock", O_RDWR | O_CREAT, 0600);
	posix = open("posix", O_RDWR | O_CREAT, 0600);
	ofd = open("ofd", O_RDWR | O_CREAT, 0600);
	if (flock(fl, LOCK_EX) < 0 || fcntl(posix, F_SETLK, &wr) < 0 || fcntl(posix, F_SETLK, &rd) < 0 ||
	    fcntl(ofd, F_OFD_SETLK, &wr) < 0)
		pfail("locks");
	test_daemon();
	test_waitsig();
	other = open("flock", O_RDWR);
	if (flock(other, LOCK_SH | LOCK_NB) == 0)
		fail("flock is lost");
	if (flock(fl, LOCK_UN) < 0 || flock(other, LOCK_SH | LOCK_NB) < 0)
		fail("flock belongs to somebody else");
	if (try_posix(F_RDLCK, 12, 1) != 1 || try_posix(F_WRLCK, 15, 10) != 0 ||
	    try_posix(F_WRLCK, 5000, 1) != 1 || try_posix(F_RDLCK, 5000, 1) != 0)
		fail("POSIX locks");
	if (!try_ofd(F_RDLCK, 14) || try_ofd(F_WRLCK, 15))
		fail("OFD lock");
	pass();
}
