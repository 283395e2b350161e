/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/procfs.h"

static void errno_of_the_living(void **state)
{
	_cleanup_close_ int dir = proc_open(getpid());

	assert_true(dir >= 0);
	assert_int_equal(proc_errno(dir, -EACCES), -EACCES);
	assert_int_equal(proc_errno(dir, -ENOENT), -ENOENT);
}

static void errno_of_the_gone(void **state)
{
	pid_t pid = fork();
	_cleanup_close_ int dir = -1;

	if (pid == 0)
		pause();
	assert_true(pid > 0);
	dir = proc_open(pid);
	assert_true(dir >= 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_errno(dir, -EACCES), -ESRCH);
	assert_int_equal(proc_errno(dir, -ENOENT), -ESRCH);
	assert_int_equal(proc_errno(dir, -EMFILE), -EMFILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errno_of_the_living),
		cmocka_unit_test(errno_of_the_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
