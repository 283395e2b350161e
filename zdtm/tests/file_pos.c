/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Position, O_APPEND, O_NONBLOCK, close-on-exec; a dup shares its position, a second open does not. */
#include "zdtm.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int a, b, c, app, flags;
	char buf[8] = "";

	test_init(argc, argv);
	a = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	c = open("file", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	app = open("file", O_WRONLY | O_APPEND);
	b = fcntl(a, F_DUPFD, 77);
	if (a < 0 || c < 0 || app < 0 || b != 77 || write(a, "0123456789", 10) != 10)
		pfail("setup");
	if (lseek(a, 3, SEEK_SET) != 3 || lseek(c, 5, SEEK_SET) != 5)
		pfail("lseek");
	test_daemon();
	test_waitsig();
	if (lseek(a, 0, SEEK_CUR) != 3 || lseek(b, 0, SEEK_CUR) != 3 || lseek(c, 0, SEEK_CUR) != 5)
		fail("positions %ld %ld %ld", (long)lseek(a, 0, SEEK_CUR), (long)lseek(b, 0, SEEK_CUR),
		     (long)lseek(c, 0, SEEK_CUR));
	if (read(a, buf, 2) != 2 || lseek(b, 0, SEEK_CUR) != 5)
		fail("the dup has a position of its own");
	if (lseek(a, 0, SEEK_SET) != 0 || lseek(c, 0, SEEK_CUR) != 5)
		fail("the second open shares its position");
	flags = fcntl(app, F_GETFL);
	if (!(flags & O_APPEND) || (flags & O_ACCMODE) != O_WRONLY)
		fail("append flags %o", flags);
	if (write(app, "x", 1) != 1 || pread(c, buf, 1, 10) != 1 || buf[0] != 'x')
		fail("not appended");
	flags = fcntl(c, F_GETFL);
	if (!(flags & O_NONBLOCK) || (flags & O_ACCMODE) != O_RDONLY)
		fail("second open: flags %o", flags);
	if (fcntl(c, F_GETFD) != FD_CLOEXEC || fcntl(a, F_GETFD) != 0)
		fail("close-on-exec %d %d", fcntl(c, F_GETFD), fcntl(a, F_GETFD));
	pass();
}
