/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killat [-c] N COMMAND...: run COMMAND and kill it (SIGKILL) at the N-th point, from 1, at which the world
 * may have changed: before each system call of its first thread that may change something outside of its
 * own memory, and after it. What only looks is passed over. With -c the points before the first rename(2)
 * do not count: for ctcr that is the commit of an image.
 *
 * Exit status 0: killed, and a line says where; 3: there are no so many points, it ended by itself with
 * status 0; 4: it failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GET_RSEQ 0x420f /* PTRACE_GET_RSEQ_CONFIGURATION */

static const struct {
	int nr;
	const char *name;
} changing[] = {
	{ SYS_ptrace, "ptrace" },
	{ SYS_process_vm_writev, "process_vm_writev" },
	{ SYS_sendto, "sendto" },
	{ SYS_sendmsg, "sendmsg" },
	{ SYS_setsockopt, "setsockopt" },
	{ SYS_connect, "connect" },
	{ SYS_bind, "bind" },
	{ SYS_write, "write" },
	{ SYS_ftruncate, "ftruncate" },
	{ SYS_clone, "clone" },
	{ SYS_clone3, "clone3" },
	{ SYS_fork, "fork" },
	{ SYS_vfork, "vfork" },
	{ SYS_kill, "kill" },
	{ SYS_pidfd_send_signal, "pidfd_send_signal" },
	{ SYS_setns, "setns" },
	{ SYS_mkdir, "mkdir" },
	{ SYS_mkdirat, "mkdirat" },
	{ SYS_rmdir, "rmdir" },
	{ SYS_unlink, "unlink" },
	{ SYS_unlinkat, "unlinkat" },
	{ SYS_rename, "rename" },
	{ SYS_renameat, "renameat" },
	{ SYS_renameat2, "renameat2" },
	{ SYS_symlinkat, "symlinkat" },
	{ SYS_linkat, "linkat" },
	{ SYS_close, "close" },
};

static bool is_rename(uint64_t nr)
{
	return nr == SYS_rename || nr == SYS_renameat || nr == SYS_renameat2;
}

/* Requests of ptrace(2) that only look. */
static bool looks(uint64_t request)
{
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
	case PTRACE_GETREGS:
	case PTRACE_GETFPREGS:
	case PTRACE_GETREGSET:
	case PTRACE_GETSIGINFO:
	case PTRACE_GETSIGMASK:
	case PTRACE_GETEVENTMSG:
	case PTRACE_PEEKSIGINFO:
	case PTRACE_SECCOMP_GET_FILTER:
	case PTRACE_SECCOMP_GET_METADATA:
	case GET_RSEQ:
		return true;
	default:
		return false;
	}
}

/* Files in memory and on disk may be closed unseen, the other end of a socket or a pipe notices. */
static bool has_other_end(pid_t pid, uint64_t fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, (int)fd);
	return !stat(path, &st) && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode));
}

static const char *changes(pid_t pid, const struct __ptrace_syscall_info *s)
{
	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		if (s->entry.nr != (uint64_t)changing[i].nr)
			continue;
		if ((s->entry.nr == SYS_ptrace && looks(s->entry.args[0])) ||
		    (s->entry.nr == SYS_close && !has_other_end(pid, s->entry.args[0])))
			return NULL;
		return changing[i].name;
	}
	return NULL;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static pid_t start(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC))
		die("trace it");
	return pid;
}

static void end(pid_t pid, long n, const char *when, const char *name, uint64_t arg)
{
	int status;

	printf("killed at point %ld, %s %s(%llu)\n", n, when, name, (unsigned long long)arg);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		;
	exit(0);
}

int main(int argc, char **argv)
{
	bool counts = true;
	const char *inside = NULL;
	uint64_t arg = 0;
	int status, sig = 0;
	long n, points = 0;
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "-c")) {
		counts = false;
		argv++;
		argc--;
	}
	if (argc < 3)
		return 2;
	n = strtol(argv[1], NULL, 10);
	pid = start(argv + 2);
	while (!ptrace(PTRACE_SYSCALL, pid, 0, sig) && waitpid(pid, &status, __WALL) == pid) {
		struct __ptrace_syscall_info s;

		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && !WEXITSTATUS(status) ? 3 : 4;
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (sig != (SIGTRAP | 0x80))
			continue;
		sig = 0;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(s), &s) < 0)
			continue;
		if (s.op == PTRACE_SYSCALL_INFO_ENTRY) {
			counts = counts || is_rename(s.entry.nr);
			inside = counts ? changes(pid, &s) : NULL;
			arg = s.entry.args[0];
			if (inside && ++points == n)
				end(pid, n, "before", inside, arg);
		} else if (inside) {
			if (++points == n)
				end(pid, n, "after", inside, arg);
			inside = NULL;
		}
	}
	die("trace");
}
