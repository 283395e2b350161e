/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thousands of descriptors, of few and of many descriptions, keep their numbers. */
#include "zdtm.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define N 1500

int main(int argc, char **argv)
{
	struct rlimit lim;
	static int fds[N];
	int base, last = -1;

	test_init(argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_max < 3 * N)
		skip("RLIMIT_NOFILE");
	lim.rlim_cur = 3 * N;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		pfail("setrlimit");
	base = open("/dev/null", O_RDWR);
	for (int i = 0; i < N; i++) {
		last = i % 3 ? eventfd(i, EFD_NONBLOCK) : fcntl(base, F_DUPFD, 0);
		if (last < 0)
			pfail("descriptor %d", i);
		fds[i] = last;
	}
	if (dup2(base, 3 * N - 1) < 0)
		pfail("dup2");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < N; i++) {
		unsigned long long v;
		int fd = fds[i];

		if (i % 3 == 0 && fcntl(fd, F_GETFD) < 0)
			fail("fd %d is gone", fd);
		if (i % 3 && (read(fd, &v, 8) != 8 || v != (unsigned long long)i))
			fail("fd %d: not eventfd %d", fd, i);
	}
	if (fcntl(last + 1, F_GETFD) >= 0 || fcntl(3 * N - 2, F_GETFD) >= 0)
		fail("descriptors that were not there");
	if (fcntl(3 * N - 1, F_GETFD) < 0)
		fail("the highest one is gone");
	pass();
}
