/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An asynchronous I/O context of io_setup(2) is refused. */
/* refuse: io_setup */
#include "zdtm.h"

#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long ctx = 0;

	test_init(argc, argv);
	if (syscall(SYS_io_setup, 16, &ctx) < 0)
		skip("no io_setup");
	test_daemon();
	test_waitsig();
	pass();
}
