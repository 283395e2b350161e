/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet pipe (O_DIRECT) keeps the borders of what is queued. */
#include "zdtm.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buf[64];
	int p[2];

	test_init(argc, argv);
	if (pipe2(p, O_DIRECT) < 0 || write(p[1], "one", 3) != 3 || write(p[1], "three", 5) != 5)
		pfail("pipe");
	test_daemon();
	test_waitsig();
	if (read(p[0], buf, sizeof(buf)) != 3 || memcmp(buf, "one", 3))
		fail("first packet");
	if (read(p[0], buf, 2) != 2 || memcmp(buf, "th", 2)) /* the rest of it is dropped */
		fail("second packet");
	if (!(fcntl(p[1], F_GETFL) & O_DIRECT) || write(p[1], "a", 1) != 1 || write(p[1], "b", 1) != 1 ||
	    read(p[0], buf, sizeof(buf)) != 1)
		fail("no packet mode any more");
	pass();
}
