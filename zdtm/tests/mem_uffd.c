/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory registered with a userfaultfd of the program is refused. */
/* refuse: userfaultfd */
#include "zdtm.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int fd;

	test_init(argc, argv);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		skip("no userfaultfd");
	reg.range.len = 1 << 20;
	reg.range.start =
		(uintptr_t)mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		pfail("UFFDIO_REGISTER");
	test_daemon();
	test_waitsig();
	pass();
}
