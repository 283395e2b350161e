/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named pipes: several openers, queued data, the name; one that was unlinked. */
#include "zdtm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int rw, rd, wr, gone;
	char buf[16];
	struct stat a, b;

	test_init(argc, argv);
	if (mkfifo("named", 0600) < 0 || mkfifo("gone", 0600) < 0)
		pfail("mkfifo");
	rw = open("named", O_RDWR);
	rd = open("named", O_RDONLY | O_NONBLOCK);
	wr = open("named", O_WRONLY);
	gone = open("gone", O_RDWR | O_NONBLOCK);
	if (rw < 0 || rd < 0 || wr < 0 || gone < 0 || write(wr, "queued", 6) != 6 ||
	    write(gone, "lost", 4) != 4 || unlink("gone") < 0)
		pfail("setup");
	test_daemon();
	test_waitsig();
	if (fstat(rw, &a) < 0 || stat("named", &b) < 0 || a.st_ino != b.st_ino)
		fail("another fifo");
	if (read(rd, buf, sizeof(buf)) != 6 || memcmp(buf, "queued", 6))
		fail("queued data");
	close(rw);
	if (write(wr, "x", 1) != 1 || read(rd, buf, 1) != 1)
		fail("not connected");
	close(wr);
	if (read(rd, buf, 1) != 0)
		fail("somebody else has it open for writing");
	if (read(gone, buf, sizeof(buf)) != 4 || memcmp(buf, "lost", 4) || fstat(gone, &a) < 0 || a.st_nlink)
		fail("the unlinked one");
	pass();
}
