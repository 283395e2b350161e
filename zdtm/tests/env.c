/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environment, arguments and what /proc/self says of them are the same afterwards. */
#include "zdtm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);

	if (n < 0)
		pfail("%s", path);
	close(fd);
	return n;
}

int main(int argc, char **argv)
{
	static const char *const files[] = { "/proc/self/environ", "/proc/self/cmdline", "/proc/self/auxv",
					     "/proc/self/comm" };
	static char before[4][4096], after[4096], exe[2][4096];
	ssize_t len[4];

	test_init(argc, argv);
	setenv("ZDTM_ENV", "kept", 1);
	for (int i = 0; i < 4; i++)
		len[i] = slurp(files[i], before[i], sizeof(before[i]));
	if (readlink("/proc/self/exe", exe[0], sizeof(exe[0]) - 1) < 0)
		pfail("exe");
	test_daemon();
	test_waitsig();
	for (int i = 0; i < 4; i++)
		if (slurp(files[i], after, sizeof(after)) != len[i] || memcmp(before[i], after, len[i]))
			fail("%s has changed", files[i]);
	if (readlink("/proc/self/exe", exe[1], sizeof(exe[1]) - 1) < 0 || strcmp(exe[0], exe[1]))
		fail("exe is %s, was %s", exe[1], exe[0]);
	if (!getenv("ZDTM_ENV") || strcmp(getenv("ZDTM_ENV"), "kept"))
		fail("ZDTM_ENV is lost");
	pass();
}
