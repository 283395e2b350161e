/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nsrun [-u] -- TEST ARGS...: run a test below an init of its own in new pid, mount, net, ipc and
 * uts namespaces, with -u in a new user namespace (0 -> 100000, 65536 ids) as well.
 *
 * The mount namespace has the host's root (no other file system of the host), a fresh /proc and a
 * small /dev. Writes the init's host pid to init.pid and leaves when the test is ready. The init
 * forwards SIGTERM to the test (its pid is in test.pid) and ends with it. init.log has its errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t test_pid;

static void die(const char *what)
{
	dprintf(2, "nsrun: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void forward(int sig)
{
	if (test_pid > 0)
		kill(test_pid, sig);
}

static void write_file(const char *path, const char *fmt, ...)
{
	va_list ap;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		die(path);
	va_start(ap, fmt);
	if (vdprintf(fd, fmt, ap) < 0)
		die(path);
	va_end(ap);
	close(fd);
}

static int read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = -1;

	if (!f || fscanf(f, "%d", &n) != 1)
		die(path);
	fclose(f);
	return n;
}

/* Nodes cannot be made in a user namespace; there the host's are bound. */
static void make_dev(int userns)
{
	static const struct {
		const char *name;
		int minor;
	} nodes[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 } };
	char to[64], from[64];

	if (mount("dev", "root/dev", "tmpfs", MS_NOSUID, "size=500k,mode=755"))
		die("/dev");
	for (unsigned int i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(to, sizeof(to), "root/dev/%s", nodes[i].name);
		snprintf(from, sizeof(from), "/dev/%s", nodes[i].name);
		if (!userns) {
			if (mknod(to, S_IFCHR | 0666, makedev(1, nodes[i].minor)) || chmod(to, 0666))
				die(to);
		} else {
			close(open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
			if (mount(from, to, NULL, MS_BIND, NULL))
				die(to);
		}
	}
	mkdir("root/dev/pts", 0755);
	mkdir("root/dev/shm", 01777);
	mkdir("root/dev/mqueue", 0755);
	if (mount("devpts", "root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620"))
		die("devpts");
	if (symlink("pts/ptmx", "root/dev/ptmx") || symlink("/proc/self/fd", "root/dev/fd"))
		die("/dev links");
	if (mount("shm", "root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777"))
		die("/dev/shm");
	if (mount("mqueue", "root/dev/mqueue", "mqueue", 0, NULL))
		die("/dev/mqueue");
}

/* "root" is a bind mount of the host's /, without what is mounted below it. */
static void make_mounts(int userns, const char *cwd)
{
	if (mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL))
		die("private mounts");
	if (mount("root", "root", NULL, MS_BIND | MS_REC, NULL))
		die("root");
	if (mount("proc", "root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		die("/proc");
	make_dev(userns);
	if (chdir("root") || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
		die("pivot_root");
	if (chdir(cwd))
		die(cwd);
}

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sk = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sk < 0 || ioctl(sk, SIOCSIFFLAGS, &ifr))
		die("lo");
	close(sk);
}

static void set_output(void)
{
	int null = open("/dev/null", O_RDONLY), log = open("init.log", O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (null < 0 || log < 0)
		die("init.log");
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	close(null);
	close(log);
}

static int start_test(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execv(argv[0], argv);
		die(argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("wait for the test");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void run_init(int userns, int go, int ready, char **argv)
{
	struct sigaction sa = { .sa_handler = forward, .sa_flags = SA_RESTART };
	char c, cwd[4096];
	int status;
	pid_t pid;

	if (read(go, &c, 1) != 1 || !getcwd(cwd, sizeof(cwd)))
		_exit(1);
	close(go);
	if (userns && (setgid(0) || setuid(0)))
		die("become root");
	setsid();
	make_mounts(userns, cwd);
	set_output();
	lo_up();
	sethostname("zdtm", 4);
	status = start_test(argv);
	if (status)
		_exit(status);
	test_pid = read_number("test.pid");
	sigaction(SIGTERM, &sa, NULL);
	if (write(ready, "r", 1) != 1)
		die("the runner is gone");
	close(ready);
	while ((pid = waitpid(-1, &status, 0)) != test_pid)
		if (pid < 0 && errno != EINTR)
			die("wait");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void map_ids(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_file(path, "0 100000 65536\n");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_file(path, "0 100000 65536\n");
}

int main(int argc, char **argv)
{
	int userns = argc > 1 && !strcmp(argv[1], "-u"), go[2], ready[2], status;
	int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	char c;
	pid_t pid;

	argv += 1 + userns;
	if (*argv && !strcmp(*argv, "--"))
		argv++;
	if (!*argv) {
		fprintf(stderr, "usage: nsrun [-u] -- TEST ARGS...\n");
		return 2;
	}
	if (pipe2(go, O_CLOEXEC) || pipe2(ready, O_CLOEXEC) || unshare(CLONE_NEWNS))
		die("set up");
	mkdir("root", 0755);
	if (mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) || mount("/", "root", NULL, MS_BIND, NULL))
		die("bind the root");
	pid = syscall(SYS_clone, flags | (userns ? CLONE_NEWUSER : 0) | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		die("clone");
	if (!pid) {
		close(go[1]);
		close(ready[0]);
		run_init(userns, go[0], ready[1], argv);
	}
	close(ready[1]);
	if (userns)
		map_ids(pid);
	write_file("init.pid", "%d\n", pid);
	if (write(go[1], "g", 1) != 1)
		die("go");
	if (read(ready[0], &c, 1) == 1)
		return 0;
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return 1;
}
