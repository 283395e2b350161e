/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls and constants glibc 2.36 does not wrap, with libc semantics (-1 and errno).
 * Each: see its man page in section 2, or include/uapi/linux of Linux 6.18 where there is none.
 */
#pragma once

#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100
#endif
#define CTCR_PTRACE_GET_RSEQ 0x420f
#define CTCR_PTRACE_GET_SUD 0x4211
#define CTCR_PR_GET_TID_ADDRESS 40
#define CTCR_PR_TIMER_CREATE_RESTORE_IDS 77
#define CTCR_ARCH_MAP_VDSO_64 0x2003

static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static inline int sys_pidfd_getfd(int pidfd, int fd)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* KCMP_*: 0 same, 1 less, 2 greater, 3 not comparable. */
static inline int sys_kcmp(pid_t a, pid_t b, int type, unsigned long i, unsigned long j)
{
	return syscall(SYS_kcmp, a, b, type, i, j);
}

static inline pid_t sys_clone3(struct clone_args *args)
{
	return syscall(SYS_clone3, args, sizeof(*args));
}

static inline int sys_execveat(int fd, char *const argv[], char *const envp[])
{
	return syscall(SYS_execveat, fd, "", argv, envp, 0x1000);
}
