/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cgroup/cg.h"

static int parse(const char *text, struct cg_lines *ret)
{
	return cg_parse(strdup(text), ret);
}

static void parse_hybrid(void **state)
{
	struct cg_lines l;

	assert_int_equal(parse("9:name=systemd:/lxc.payload.a/init.scope\n2:cpu,cpuacct:/\n0::/a:b/c\n", &l),
			 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(cg_find(&l, "name=systemd")->path, "/lxc.payload.a/init.scope");
	assert_string_equal(cg_find(&l, "cpu,cpuacct")->path, "/");
	assert_string_equal(cg_find(&l, "")->path, "/a:b/c");
	assert_int_equal(cg_find(&l, "")->hier, 0);
	assert_null(cg_find(&l, "cpu"));
	cg_lines_done(&l);
	assert_int_equal(parse("", &l), 0);
	assert_int_equal(l.n, 0);
	cg_lines_done(&l);
}

static void parse_hostile(void **state)
{
	static const char *const bad[] = { "0:/\n",   "x::/\n", "0::\n", "0::a\n",
					   "-1::/\n", ":\n",	"::\n",	 "99999999999999::/\n",
					   "1:cpu\n" };
	struct cg_lines l;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &l), -EINVAL);
}

static void controllers(void **state)
{
	assert_true(cg_has_controller("cpu,cpuacct", "cpu"));
	assert_true(cg_has_controller("cpu,cpuacct", "cpuacct"));
	assert_false(cg_has_controller("cpuacct", "cpu"));
	assert_false(cg_has_controller("cpu,cpuacct", "acct"));
	assert_false(cg_has_controller("", "cpu"));
}

static void paths(void **state)
{
	static const char *const bad[] = { "", "a", "/a/", "//", "/../a", "/a/..", "/.", "/a//b", "/a/./b" };
	static const char *const good[] = { "/", "/a", "/a/.lxc", "/a/..b/c..", "/a b" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cg_path_ok(bad[i]));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(cg_path_ok(good[i]));
	assert_true(cg_path_below("/a/b", "/a"));
	assert_true(cg_path_below("/a", "/a"));
	assert_true(cg_path_below("/a", "/"));
	assert_false(cg_path_below("/ab", "/a"));
	assert_false(cg_path_below("/a", "/a/b"));
}

static void common(void **state)
{
	static const char *const rows[][3] = {
		{ "/p/init.scope", "/p/system.slice/x", "/p" },
		{ "/p", "/p/x", "/p" },
		{ "/p/x", "/p", "/p" },
		{ "/pa", "/pb", "/" },
		{ "/p/ab", "/p/a", "/p" },
		{ "/", "/p", "/" },
		{ "/p/x", "/p/x", "/p/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *a = strdup(rows[i][0]);

		cg_path_common(a, rows[i][1]);
		assert_string_equal(a, rows[i][2]);
		free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_hybrid), cmocka_unit_test(parse_hostile),
		cmocka_unit_test(controllers),	cmocka_unit_test(paths),
		cmocka_unit_test(common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
