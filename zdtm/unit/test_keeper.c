/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper: drains, lends, survives a hangup, ends with the init. Needs root (KEEPER_DIR). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "file/keeper.h"

struct fix {
	char name[64], slave[64];
	pid_t init;
	int gate; /* the init lives until this is closed */
};

static pid_t make_init(int *ret_gate)
{
	int p[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		_exit(read(p[0], &c, 1) != 0);
	}
	close(p[0]);
	*ret_gate = p[1];
	return pid;
}

/* A keeper with one pty, "tty1"; the slave's path is noted. */
static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct options o = { .ct = f->name };
	struct restore r = { .opt = &o };
	int master;

	log_quiet(true);
	if (geteuid() != 0) {
		free(f);
		return 0;
	}
	snprintf(f->name, sizeof(f->name), "unit-keeper-%d", getpid());
	f->init = make_init(&f->gate);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, f->slave, sizeof(f->slave)), 0);
	assert_int_equal(keeper_add(&r, master, "tty1"), 0);
	assert_int_equal(keeper_start(&r, f->init), 0);
	assert_null(r.keeper);
	*state = f;
	return 0;
}

static int dial(const struct fix *f)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	assert_int_equal(keeper_address(f->name, &addr), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The keeper's answer to @tty. */
static int ask(const struct fix *f, const char *tty, char *answer, size_t size)
{
	int fd = dial(f);
	ssize_t n;

	assert_int_equal(send(fd, tty, strlen(tty), 0), strlen(tty));
	n = recv(fd, answer, size - 1, 0);
	assert_true(n > 0);
	answer[n] = 0;
	return fd;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	struct sockaddr_un addr;
	char answer[256], c;
	int fd;

	if (!f)
		return 0;
	fd = ask(f, "tty1", answer, sizeof(answer));
	assert_string_equal(answer, "ok");
	assert_int_equal(recv_fds(fd, &(int){ -1 }, 1), 0);
	close(f->gate);
	assert_int_equal(waitpid(f->init, NULL, 0), f->init);
	assert_int_equal(recv(fd, &c, 1, 0), 0); /* it has ended, and cleaned up before */
	assert_int_equal(keeper_address(f->name, &addr), 0);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
	close(fd);
	free(f);
	return 0;
}

static void test_drains(void **state)
{
	struct fix *f = *state;
	char line[1024];
	int fd;

	if (!f)
		skip();
	memset(line, 'x', sizeof(line));
	fd = open(f->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (int i = 0; i < 256; i++) /* far more than a pty holds: it would block for ever */
		assert_int_equal(write_all(fd, line, sizeof(line)), 0);
	close(fd);
}

static void expect_text(int master, int slave, const char *text)
{
	char buf[64] = { 0 };
	struct pollfd p = { .fd = master, .events = POLLIN };

	assert_int_equal(write_all(slave, text, strlen(text)), 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(read(master, buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
}

static void test_lends(void **state)
{
	struct fix *f = *state;
	char answer[256];
	int fd, second, master, slave;

	if (!f)
		skip();
	second = ask(f, "tty9", answer, sizeof(answer));
	assert_string_not_equal(answer, "ok");
	close(second);
	fd = ask(f, "tty1", answer, sizeof(answer));
	assert_string_equal(answer, "ok");
	assert_int_equal(recv_fds(fd, &master, 1), 0);
	second = ask(f, "tty1", answer, sizeof(answer));
	assert_string_not_equal(answer, "ok");
	close(second);
	slave = open(f->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	expect_text(master, slave, "login");
	close(slave);
	close(master);
	close(fd);
	fd = dial(f); /* accepted after the hangup before was seen: nothing left to wait for */
	close(fd);
}

/* What agetty does to its terminal before it opens it anew. */
static void hang_up(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd;

		setsid();
		signal(SIGHUP, SIG_IGN);
		fd = open(path, O_RDWR | O_CLOEXEC);
		_exit(fd < 0 || ioctl(fd, TIOCSCTTY, 1) < 0 || vhangup() < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_hangup(void **state)
{
	struct fix *f = *state;
	char answer[256];
	int fd, master, slave;

	if (!f)
		skip();
	hang_up(f->slave);
	slave = open(f->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	fd = ask(f, "tty1", answer, sizeof(answer));
	assert_string_equal(answer, "ok");
	assert_int_equal(recv_fds(fd, &master, 1), 0);
	expect_text(master, slave, "again");
	hang_up(f->slave); /* and while it is lent */
	close(slave);
	slave = open(f->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	expect_text(master, slave, "third");
	close(slave);
	close(master);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_drains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
