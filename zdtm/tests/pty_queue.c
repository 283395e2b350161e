/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is under way in a pty: a typed line and a half, in raw mode too, and output the master has not read.
 */
#include "zdtm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int make(int *slave, int raw)
{
	struct termios tio;
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (master < 0)
		skip("no pty");
	if (unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)))
		pfail("unlockpt");
	*slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (*slave < 0 || tcgetattr(*slave, &tio) < 0)
		pfail("%s", name);
	if (raw)
		cfmakeraw(&tio);
	tio.c_lflag &= ~ECHO;
	if (tcsetattr(*slave, TCSANOW, &tio) < 0)
		pfail("tcsetattr");
	return master;
}

static void expect(int fd, const char *want, const char *what)
{
	char buf[64] = "";
	int n = read(fd, buf, sizeof(buf) - 1);

	if (n != (int)strlen(want) || memcmp(buf, want, n))
		fail("%s: %d \"%s\", not \"%s\"", what, n, buf, want);
}

int main(int argc, char **argv)
{
	int master, slave, rmaster, rslave;

	test_init(argc, argv);
	master = make(&slave, 0);
	rmaster = make(&rslave, 1);
	if (write(master, "line\nhal", 8) != 8 || write(slave, "out\n", 4) != 4)
		pfail("write");
	if (write(rmaster, "\003raw\n", 5) != 5)
		pfail("write");
	test_daemon();
	test_waitsig();
	expect(slave, "line\n", "first line");
	if (write(master, "f\n", 2) != 2)
		pfail("write");
	expect(slave, "half\n", "the half line");
	expect(master, "out\r\n", "output");
	expect(rslave, "\003raw\n", "raw input");
	pass();
}
