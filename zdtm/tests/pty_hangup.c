/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A slave whose master is closed stays hung up; a master whose slave was closed reads EIO. */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static int make(int *slave)
{
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (master < 0)
		skip("no pty");
	if (unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)))
		pfail("unlockpt");
	*slave = open(name, O_RDWR | O_NOCTTY);
	if (*slave < 0)
		pfail("%s", name);
	return master;
}

int main(int argc, char **argv)
{
	int slave, master, other, fresh, none;
	char c;

	test_init(argc, argv);
	close(make(&slave));
	master = make(&other);
	close(other);
	fresh = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (read(slave, &c, 1) != 0 || read(master, &c, 1) != -1 || errno != EIO)
		fail("setup");
	none = read(fresh, &c, 1) == -1 ? errno : 0;
	test_daemon();
	test_waitsig();
	if (read(slave, &c, 1) != 0 || write(slave, "x", 1) != -1 || errno != EIO)
		fail("the slave is not hung up");
	if (read(master, &c, 1) != -1 || errno != EIO)
		fail("the master does not know that its slave was closed");
	if (read(fresh, &c, 1) != -1 || errno != none)
		fail("a master whose slave was never open: %d, was %d", errno, none);
	pass();
}
