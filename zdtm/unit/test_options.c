/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option rows: every row is well formed, what is written is what is read, mistakes are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "options.h"

static int quiet(void **state)
{
	log_quiet(true);
	return 0;
}

static int parse(struct options *o, enum option_verb verb, struct option_rest *rest, const char *const *words)
{
	options_init(o);
	return options_parse(&ctcr_options, o, verb, (char *const *)(uintptr_t)words, rest);
}

#define PARSE(o, verb, rest, ...) parse(o, verb, rest, (const char *const[]){ __VA_ARGS__, NULL })

static void refused(enum option_verb verb, const char *a, const char *b)
{
	struct option_rest rest = { .n = 77 };
	struct options o;

	assert_int_equal(PARSE(&o, verb, &rest, a, b), -EINVAL);
	assert_int_equal(rest.n, 77);
	options_done(&o);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < ctcr_options.n; i++) {
		const struct option_row *a = &ctcr_options.rows[i];

		assert_true(a->name && a->help && a->set && a->verbs);
		assert_true(a->arg == ARG_NONE || a->value);
		for (size_t j = i + 1; j < ctcr_options.n; j++) {
			const struct option_row *b = &ctcr_options.rows[j];

			if (!(a->verbs & b->verbs))
				continue;
			assert_string_not_equal(a->name, b->name);
			assert_false(a->letter && a->letter == b->letter);
		}
	}
}

static void test_forms(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(
		PARSE(&o, VERB_DUMP, &rest, "-t", "12", "--images-dir=/x", "a", "-vvRD/y", "--", "-v"), 0);
	assert_int_equal(o.pid, 12);
	assert_string_equal(o.images_dir, "/y");
	assert_true(o.leave_running);
	assert_int_equal(o.verbose, 2);
	assert_int_equal(rest.n, 2);
	assert_string_equal(rest.args[0], "a");
	assert_string_equal(rest.args[1], "-v");
	options_done(&o);
	assert_int_equal(PARSE(&o, VERB_DUMP, &rest, "-R", "-D/y", "-v2", "-v"), 0);
	assert_true(o.leave_running);
	assert_string_equal(o.images_dir, "/y");
	assert_int_equal(o.verbose, 3);
	options_done(&o);
}

static void test_clusters(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(PARSE(&o, VERB_DUMP, &rest, "-RlD", "/z", "-vvv"), 0);
	assert_true(o.leave_running && o.file_locks);
	assert_string_equal(o.images_dir, "/z");
	assert_int_equal(o.verbose, 3);
	options_done(&o);
}

static void test_same_letter(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(PARSE(&o, VERB_CONSOLE, &rest, "-t", "1"), 0);
	assert_string_equal(o.tty, "1");
	assert_int_equal(o.pid, 0);
	options_done(&o);
	assert_int_equal(PARSE(&o, VERB_CHECK, &rest, "-t", "1"), 0);
	assert_int_equal(o.pid, 1);
	assert_null(o.tty);
	options_done(&o);
}

static void test_mistakes(void **state)
{
	refused(VERB_DUMP, "--leave-runing", NULL);
	refused(VERB_DUMP, "x", "--no-such");
	refused(VERB_DUMP, "-Q", NULL);
	refused(VERB_DUMP, "-t", NULL);
	refused(VERB_DUMP, "-t", "0");
	refused(VERB_DUMP, "-t", "-5");
	refused(VERB_DUMP, "-t", "12x");
	refused(VERB_DUMP, "-t", "99999999999");
	refused(VERB_DUMP, "--detached", NULL);
	refused(VERB_RESTORE, "--leave-running", NULL);
	refused(VERB_RESTORE, "--tcp-established=yes", NULL);
	refused(VERB_DUMP, "--no-shell-job", NULL);
	refused(VERB_DUMP, "--images-dir", "");
	refused(VERB_DUMP, "--ghost-limit", "12Q");
	refused(VERB_DUMP, "--ghost-limit", "99999999999999999999");
	refused(VERB_DUMP, "--timeout", "1m");
	refused(VERB_DUMP, "--skip-mnt", "relative");
	refused(VERB_DUMP, "--network-lock", "iptable");
	refused(VERB_DUMP, "--manage-cgroups=no", NULL);
	refused(VERB_DUMP, "-v99", NULL);
	refused(VERB_DUMP, "-v2x", NULL);
	refused(VERB_DUMP, "--external", ":x");
}

static void test_bad_restore_values(void **state)
{
	refused(VERB_RESTORE, "--veth-pair=eth0", NULL);
	refused(VERB_RESTORE, "--veth-pair", "=x");
	refused(VERB_RESTORE, "--veth-pair=eth0=", NULL);
	refused(VERB_RESTORE, "--veth-pair=eth0=@br", NULL);
	refused(VERB_RESTORE, "--veth-pair=eth0=v,nets=x", NULL);
	refused(VERB_RESTORE, "--veth-pair=eth0=,", NULL);
	refused(VERB_RESTORE, "--ip", "eth0");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.1");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.1/33");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0/24");
	refused(VERB_RESTORE, "--ip", "=10.0.0.1/24");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.1/0");
	refused(VERB_RESTORE, "--ip", "eth0=0.0.0.0/8");
	refused(VERB_RESTORE, "--ip", "eth0=127.0.0.1/8");
	refused(VERB_RESTORE, "--ip", "eth0=224.0.0.1/24");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.0/24");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.255/24");
	refused(VERB_RESTORE, "--ip", "eth0=::1/64");
	refused(VERB_RESTORE, "--ip", "eth0=ff02::1/64");
	refused(VERB_RESTORE, "--ip", "eth0=::ffff:10.0.0.1/96");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.1/24@10.0.0.1");
	refused(VERB_RESTORE, "--ip", "eth0=10.0.0.1/24@0.0.0.0");
	refused(VERB_RESTORE, "--ip", "eth0=fe80::1/129");
	refused(VERB_RESTORE, "--inherit-fd", "fd[0]");
	refused(VERB_RESTORE, "--inherit-fd", "fd[x]:k");
	refused(VERB_RESTORE, "--inherit-fd", "fd[-1]:k");
	refused(VERB_RESTORE, "--inherit-fd", "fd[0]:");
	refused(VERB_RESTORE, "--inherit-fd", "fd[99999]:key");
	refused(VERB_RESTORE, "--inherit-fd", "fd[99999999999999999999]:key");
}

static void test_externals(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(PARSE(&o, VERB_DUMP, &rest, "--external", "mnt[/a:b]:x:y", "--external=file[a:b]",
			       "--external", "unix", "--external", "console:", "--external",
			       "mnt[/a:b]:later"),
			 0);
	assert_string_equal(options_external(&o, "mnt", "/a:b"), "later");
	assert_string_equal(options_external(&o, "file", "a:b"), "");
	assert_string_equal(options_external(&o, "console", NULL), "");
	assert_null(options_external(&o, "mnt", NULL));
	assert_null(options_external(&o, "mnt", "/a"));
	assert_null(options_external(&o, "mn", "/a:b"));
	assert_null(options_external(&o, "console", ""));
	assert_true(o.external_unix);
	assert_false(o.auto_externals);
	options_done(&o);
	assert_int_equal(PARSE(&o, VERB_DUMP, &rest, "--external", "mnt[]"), 0);
	assert_true(o.auto_externals);
	options_done(&o);
}

static void test_veth_pair(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(PARSE(&o, VERB_RESTORE, &rest, "--veth-pair", "--ct", "web"), 0);
	assert_true(o.veth_pair);
	assert_string_equal(o.ct, "web");
	options_done(&o);
	assert_int_equal(PARSE(&o, VERB_RESTORE, &rest, "--veth-pair", "eth0=v0@br0", "--veth-pair=eth1=v1"),
			 0);
	assert_false(o.veth_pair);
	assert_string_equal(options_external(&o, "veth", "eth0"), "v0@br0");
	assert_string_equal(options_external(&o, "veth", "eth1"), "v1");
	options_done(&o);
}

static void test_lists(void **state)
{
	struct option_rest rest;
	struct options o;

	assert_int_equal(PARSE(&o, VERB_RESTORE, &rest, "--action-script", "a", "--action-script=b",
			       "--cgroup-root", "cpu,io:/x:y", "--cgroup-root=/z", "--inherit-fd",
			       "fd[0]:tty[8802:1f]", "--skip-mnt=/p", "--ip", "eth0=10.0.0.1/24",
			       "--ip=eth0=fd00::1/64"),
			 0);
	assert_int_equal(o.n_scripts, 2);
	assert_string_equal(o.scripts[1], "b");
	assert_string_equal(o.cgroup_roots[0].ctrl, "cpu,io");
	assert_string_equal(o.cgroup_roots[0].path, "/x:y");
	assert_null(o.cgroup_roots[1].ctrl);
	assert_int_equal(o.inherit[0].fd, 0);
	assert_string_equal(o.inherit[0].key, "tty[8802:1f]");
	assert_string_equal(o.skip_mounts[0], "/p");
	assert_int_equal(o.n_addresses, 2);
	assert_string_equal(o.addresses[1].key, "eth0");
	assert_string_equal(o.addresses[1].value, "fd00::1/64");
	options_done(&o);
}

/* A command line as words, read again, is the same words. */
static void test_words(void **state)
{
	struct option_rest rest;
	struct options o, again;
	char **words, **twice;
	size_t n, m;

	assert_int_equal(PARSE(&o, VERB_RESTORE, &rest, "--ct", "web", "-P", "/p", "-D", "/d", "-vv",
			       "--veth-pair", "--veth-pair", "a=b@c", "--external", "mnt[/x y]:z",
			       "--external", "unix[3]", "--ip", "eth0=1.2.3.4/8", "--network-lock", "skip",
			       "--manage-cgroups=strict", "--stats", "/s", "--inherit-fd", "fd[1]:k",
			       "--cgroup-root", "/c", "--cgroup-root", "cpu:/d", "--skip-mnt", "/m",
			       "--action-script", "/a", "-d", "--pidfile", "f", "--root", "/r",
			       "--no-lxc-monitor", "--tcp-close", "-j", "-l"),
			 0);
	assert_int_equal(options_words(&o, VERB_RESTORE, &words, &n), 0);
	options_init(&again);
	assert_int_equal(options_parse(&ctcr_options, &again, VERB_RESTORE, words, &rest), 0);
	assert_int_equal(options_words(&again, VERB_RESTORE, &twice, &m), 0);
	assert_int_equal(n, m);
	assert_null(words[n]);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(words[i], twice[i]);
	assert_true(again.veth_pair && again.detached && again.tcp_close && again.shell_job &&
		    again.file_locks);
	assert_int_equal(again.netlock, NETLOCK_SKIP);
	assert_int_equal(again.cgroups, CGROUP_STRICT);
	assert_int_equal(again.verbose, 2);
	assert_string_equal(options_external(&again, "mnt", "/x y"), "z");
	words_free(words);
	words_free(twice);
	options_done(&o);
	options_done(&again);
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "dump", "restore", "leave-running", NULL };

	assert_string_equal(nearest_name("restroe", names), "restore");
	assert_string_equal(nearest_name("dmup", names), "dump");
	assert_string_equal(nearest_name("leave", names), "leave-running");
	assert_null(nearest_name("xyzzy", names));
	assert_null(nearest_name("", names));
}

static void test_verbs(void **state)
{
	unsigned int all = 0;

	for (size_t i = 0; i < n_verbs; i++) {
		assert_ptr_equal(verb_find(verbs[i].name), &verbs[i]);
		assert_int_equal(all & verbs[i].verb, 0);
		all |= verbs[i].verb;
	}
	assert_int_equal(all, VERB_ALL);
	assert_null(verb_find("dmup"));
}

/* Every option is in the manual. */
static void test_manual(void **state)
{
	_cleanup_free_ char *text = NULL;

	if (read_text_at(AT_FDCWD, "docs/man/ctcr.1", &text) < 0)
		skip(); /* not run from the top of the tree */
	for (size_t i = 0; i < ctcr_options.n; i++) {
		char want[64] = "\\fB\\-\\-", *to = want + strlen(want);

		for (const char *c = ctcr_options.rows[i].name; *c; c++) {
			if (*c == '-')
				*to++ = '\\';
			*to++ = *c;
		}
		strcpy(to, "\\fR");
		if (!strstr(text, want))
			fail_msg("--%s: not in docs/man/ctcr.1", ctcr_options.rows[i].name);
	}
}

static int read_config(const char *text, char ***words)
{
	char path[] = "/tmp/ctcr-unit-conf-XXXXXX";
	int fd = mkstemp(path), err;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	unsetenv("CRIU_CONFIG_FILE");
	err = criu_config((char *const[]){ (char[]){ "dump" }, (char[]){ "--config" }, path, NULL }, words);
	unlink(path);
	return err;
}

static void test_criu_config(void **state)
{
	char **w;

	assert_int_equal(read_config("# text\n\n  tcp-established  # yes\nlog-file=x.log\n"
				     "action-script \"/a b\\\"c\" # quoted\nverbosity 4",
				     &w),
			 0);
	assert_string_equal(w[0], "--tcp-established");
	assert_string_equal(w[1], "--log-file=x.log");
	assert_string_equal(w[2], "--action-script=/a b\"c");
	assert_string_equal(w[3], "--verbosity=4");
	assert_null(w[4]);
	words_free(w);
	assert_int_equal(read_config("", &w), 0);
	assert_null(w[0]);
	words_free(w);
	assert_int_equal(read_config("timeout 3 4\n", &w), -EINVAL);
	assert_int_equal(read_config("root \"/x\n", &w), -EINVAL);
	assert_int_equal(read_config("root \"/x\" y\n", &w), -EINVAL);
}

static int face(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return criu_main((int)n, (char **)(uintptr_t)words);
}

#define FACE(...) face((const char *const[]){ "criu", __VA_ARGS__, NULL })

/* Wrong usage of CRIU's command line: status 1 before anything is done. */
static void test_criu_mistakes(void **state)
{
	setenv("CRIU_CONFIG_FILE", "/nonexistent", 1);
	setenv("HOME", "/nonexistent", 1);
	assert_int_equal(FACE("dump"), 1);
	assert_int_equal(FACE("-t", "1"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "more"), 1);
	assert_int_equal(FACE("pre-dump", "-t", "1"), 1);
	assert_int_equal(FACE("swrk", "3"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "--track-mem"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "--prev-images-dir", "x"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "--external", "net[4026531840]:x"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "--no-tree"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "-D", "/nonexistent"), 1);
	assert_int_equal(FACE("dump", "-t", "1", "--inherit-fd", "fd[0]:x"), 1);
	assert_int_equal(FACE("restore", "--restore-sibling"), 1);
	assert_int_equal(FACE("restore", "--empty-ns", "net"), 1);
	assert_int_equal(FACE("check", "--feature", "no_such_feature"), 1);
	assert_int_equal(FACE("check", "--feature", "mem_dirty_track"), 1);
	assert_int_equal(FACE("check", "--feature", "userns"), 0);
	assert_int_equal(FACE("check", "--no-file-locks", "--cpu-cap", "--feature=timens", "-v4", "-vv"), 0);
	assert_int_equal(FACE("--version"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_forms),
		cmocka_unit_test(test_clusters),      cmocka_unit_test(test_same_letter),
		cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_bad_restore_values),
		cmocka_unit_test(test_externals),     cmocka_unit_test(test_veth_pair),
		cmocka_unit_test(test_lists),	      cmocka_unit_test(test_words),
		cmocka_unit_test(test_nearest),	      cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_manual),	      cmocka_unit_test(test_criu_config),
		cmocka_unit_test(test_criu_mistakes),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
