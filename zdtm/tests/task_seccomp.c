/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seccomp filters, two upon each other, and the order of their verdicts. */
#include "zdtm.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void deny(int nr, int err)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		pfail("seccomp");
}

static void check(void)
{
	if (syscall(SYS_getppid) != -1 || errno != 77)
		fail("getppid is not refused by the filter");
	if (syscall(SYS_munmap, 0x1000, 0x1000) != -1 || errno != 99)
		fail("munmap is not refused by the filter");
}

int main(int argc, char **argv)
{
	test_init(argc, argv);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	deny(SYS_getppid, 77);
	deny(SYS_munmap, 99); /* the executor itself needs it */
	check();
	test_daemon();
	test_waitsig();
	check();
	if (prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
		fail("mode");
	pass();
}
