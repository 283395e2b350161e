/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to a monitor that may be anybody: a stand-in that answers well, badly, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lxc/monitor.h"

struct answer {
	int32_t ret, len;
	uint64_t data;
	char text[64];
	size_t send; /* bytes of all this */
};

struct stand_in {
	int sk;
	struct answer answer;
	char asked[64];
	int32_t request[4];
	pthread_t thread;
};

static char path[64];

static void *serve(void *arg)
{
	struct stand_in *s = arg;
	int fd = accept(s->sk, NULL, NULL);

	if (fd < 0 || recv(fd, s->request, sizeof(s->request), MSG_WAITALL) != sizeof(s->request))
		return NULL;
	if (s->request[1] > 0 && s->request[1] <= (int32_t)sizeof(s->asked))
		recv(fd, s->asked, s->request[1], MSG_WAITALL);
	if (s->answer.send)
		send(fd, &s->answer, s->answer.send, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void start(struct stand_in *s, struct answer answer)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "%s/ct/command", path);

	*s = (struct stand_in){ .answer = answer };
	s->sk = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->sk >= 0);
	assert_int_equal(bind(s->sk, (struct sockaddr *)&sa, offsetof(struct sockaddr_un, sun_path) + 1 + n),
			 0);
	assert_int_equal(listen(s->sk, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct stand_in *s)
{
	pthread_join(s->thread, NULL);
	close(s->sk);
}

static int pid_of(struct answer answer, pid_t *ret)
{
	struct stand_in s;
	int res;

	start(&s, answer);
	res = lxc_monitor_init_pid(path, "ct", ret);
	stop(&s);
	assert_int_equal(s.request[0], 4);
	assert_int_equal(s.request[1], 0);
	return res;
}

static void test_pid(void **state)
{
	pid_t pid = 0;

	assert_int_equal(pid_of((struct answer){ .data = 4711, .send = 16 }, &pid), 0);
	assert_int_equal(pid, 4711);
	pid = 1;
	assert_int_equal(pid_of((struct answer){ .data = 0, .send = 16 }, &pid), -ESRCH);
	assert_int_equal(pid_of((struct answer){ .data = 1ULL << 40, .send = 16 }, &pid), -ESRCH);
	assert_int_equal(pid_of((struct answer){ .data = -5, .send = 16 }, &pid), -ESRCH);
	assert_true(pid_of((struct answer){ .send = 0 }, &pid) < 0);
	assert_true(pid_of((struct answer){ .data = 5, .send = 7 }, &pid) < 0);
	assert_int_equal(pid_of((struct answer){ .ret = -13, .send = 16 }, &pid), -13);
	assert_int_equal(pid, 1);
}

static void test_nobody(void **state)
{
	pid_t pid;
	uid_t uid;

	assert_int_equal(lxc_monitor_init_pid(path, "nobody", &pid), -ECONNREFUSED);
	assert_int_equal(lxc_monitor_uid(path, "nobody", &uid), -ECONNREFUSED);
}

static int item(struct answer answer, char **ret)
{
	struct stand_in s;
	int res;

	start(&s, answer);
	res = lxc_monitor_config(path, "ct", "lxc.rootfs.path", ret);
	stop(&s);
	assert_int_equal(s.request[0], 7);
	assert_string_equal(s.asked, "lxc.rootfs.path");
	return res;
}

static void test_config(void **state)
{
	char *text = NULL;

	assert_int_equal(item((struct answer){ .len = 5, .text = "/srv", .send = 21 }, &text), 0);
	assert_string_equal(text, "/srv");
	free(text);
	text = NULL;
	assert_int_equal(item((struct answer){ .len = 4, .text = "/srv/more", .send = 20 }, &text), 0);
	assert_string_equal(text, "/srv");
	free(text);
	text = NULL;
	assert_int_equal(item((struct answer){ .ret = -1, .send = 16 }, &text), -ENOENT);
	assert_int_equal(item((struct answer){ .len = 0, .send = 16 }, &text), -ENOENT);
	assert_int_equal(item((struct answer){ .len = -1, .send = 16 }, &text), -EPROTO);
	assert_int_equal(item((struct answer){ .len = INT32_MAX, .send = 80 }, &text), -EPROTO);
	assert_true(item((struct answer){ .len = 60, .text = "short", .send = 30 }, &text) < 0);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_config),
	};

	snprintf(path, sizeof(path), "/ctcr-unit-%d", getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
