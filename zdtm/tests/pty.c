/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pty pair: number, termios, window size, packet mode, owner of the node; data goes through. */
/* modes: ns userns host running twice */
#include "zdtm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct winsize ws = { .ws_row = 31, .ws_col = 117 }, got;
	struct termios tio;
	char name[64], buf[64];
	int master, slave, packet = 1, n;
	struct stat st;

	test_init(argc, argv);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0)
		skip("no pty");
	if (unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)))
		pfail("unlockpt");
	slave = open(name, O_RDWR | O_NOCTTY);
	if (slave < 0 || tcgetattr(slave, &tio) < 0)
		pfail("%s", name);
	cfmakeraw(&tio);
	tio.c_cc[VMIN] = 3;
	if (tcsetattr(slave, TCSANOW, &tio) < 0 || ioctl(master, TIOCSWINSZ, &ws) < 0 ||
	    ioctl(master, TIOCPKT, &packet) < 0 || fchmod(slave, 0622) < 0)
		pfail("attributes");
	test_daemon();
	test_waitsig();
	if (tcgetattr(slave, &tio) < 0 || tio.c_lflag & (ICANON | ECHO) || tio.c_cc[VMIN] != 3)
		fail("termios");
	if (ioctl(slave, TIOCGWINSZ, &got) < 0 || memcmp(&got, &ws, sizeof(ws)))
		fail("window size");
	if (write(master, "abc", 3) != 3 || read(slave, buf, sizeof(buf)) != 3 || memcmp(buf, "abc", 3))
		fail("master to slave");
	n = write(slave, "xyz", 3) == 3 ? read(master, buf, sizeof(buf)) : -1;
	if (n != 4 || memcmp(buf, "\0xyz", 4))
		fail("slave to master, packet mode: %d", n);
	if (fstat(slave, &st) < 0 || (st.st_mode & 0777) != 0622)
		fail("mode %o", st.st_mode);
	close(slave);
	if (read(master, buf, sizeof(buf)) > 0)
		fail("somebody else has the slave open");
	pass();
}
