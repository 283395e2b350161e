/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session with a controlling terminal, its foreground group, inherited by a job; ^C reaches it. */
#include "zdtm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_int(int sig)
{
	interrupted = 1;
}

/* The controlling terminal by /proc/self/stat. */
static int tty_nr(void)
{
	char buf[512] = "", *p;
	int fd = open("/proc/self/stat", O_RDONLY), nr = 0;

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		pfail("/proc/self/stat");
	close(fd);
	p = strrchr(buf, ')');
	if (!p || sscanf(p, ") %*c %*d %*d %*d %d", &nr) != 1)
		fail("/proc/self/stat: %s", buf);
	return nr;
}

/* The job in the foreground: waits for ^C. */
static void job(int report)
{
	sigset_t all, none;

	sigemptyset(&none);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGINT, on_int);
	setpgid(0, 0);
	if (write(report, "j", 1) != 1)
		_exit(2);
	sigfillset(&none);
	sigdelset(&none, SIGINT);
	while (!interrupted)
		sigsuspend(&none);
	if (!tty_nr())
		fail("the job has no controlling terminal");
	_exit(0);
}

/* The leader of the session: "shell". */
static void leader(const char *name, int report)
{
	int tty, status;
	pid_t pid;
	char c;
	int p[2];

	setsid();
	tty = open(name, O_RDWR);
	if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) < 0 || pipe(p) < 0)
		_exit(10);
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (pid == 0)
		job(p[1]);
	if (read(p[0], &c, 1) != 1 || tcsetpgrp(tty, pid) < 0 || write(report, "r", 1) != 1)
		_exit(11);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		_exit(12);
	if (tcgetpgrp(tty) != pid || tcgetsid(tty) != getpid())
		_exit(13);
	_exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	int master, p[2];
	char name[64], c;
	pid_t pid;

	test_init(argc, argv);
	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0)
		skip("no pty");
	if (unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) || pipe(p) < 0)
		pfail("setup");
	pid = fork();
	if (pid == 0)
		leader(name, p[1]);
	close(p[1]);
	if (read(p[0], &c, 1) != 1)
		fail("the session does not start");
	test_daemon();
	test_waitsig();
	if (write(master, "\003", 1) != 1)
		pfail("write");
	wait_child(pid);
	pass();
}
