/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lxc/config.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/ctcr-lxc-config.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "config",	 "a.conf", "b.conf", "d/1.conf",
					     "d/2.conf", "d/no",   "fstab" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/d", dir);
	rmdir(path);
	return rmdir(dir);
}

/* "@" in @text stands for the directory. */
static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (; *text; text++)
		if (*text == '@')
			fputs(dir, f);
		else
			fputc(*text, f);
	fclose(f);
}

static int get(struct lxc_config *c, struct lxc_config_error *err)
{
	char path[128];

	*c = (struct lxc_config){ 0 };
	snprintf(path, sizeof(path), "%s/config", dir);
	return lxc_config_read(path, c, err);
}

static int line(struct lxc_config *c, const char *text)
{
	const char *what;
	char buf[8192];

	snprintf(buf, sizeof(buf), "%s", text);
	return lxc_config_line(c, buf, &what);
}

static void test_busybox(void **state)
{
	struct lxc_config c;
	struct lxc_config_error err;
	char *name = NULL;

	put("config",
	    "# a comment\n#lxc.include = /nowhere\n\nlxc.net.0.type = veth\nlxc.net.0.link = br0\n"
	    "lxc.net.0.flags = up\nlxc.rootfs.path = dir:/var/lib/lxc/bb/rootfs\nlxc.signal.halt = SIGUSR1\n"
	    "lxc.uts.name = \"bb\"\nlxc.tty.max = 5\nlxc.pty.max = 1\n"
	    "lxc.mount.entry = shm dev/shm tmpfs defaults,create=dir 0 0\n"
	    "  lxc.mount.entry\t=\t/usr/li\\040b usr/lib none ro,bind 0 0  \n");
	assert_int_equal(get(&c, &err), 0);
	assert_string_equal(c.rootfs, "/var/lib/lxc/bb/rootfs");
	assert_string_equal(c.rootfs_type, "dir");
	assert_string_equal(c.uts, "bb");
	assert_int_equal(c.tty_max, 5);
	assert_int_equal(c.pty_max, 1);
	assert_int_equal(c.n_nets, 1);
	assert_string_equal(c.nets[0].link, "br0");
	assert_int_equal(lxc_net_name(&c, 0, &name), 0);
	assert_string_equal(name, "eth0");
	free(name);
	assert_int_equal(c.n_mounts, 2);
	assert_false(lxc_mount_is_bind(&c.mounts[0]));
	assert_true(lxc_mount_is_bind(&c.mounts[1]));
	assert_string_equal(c.mounts[1].source, "/usr/li b");
	assert_string_equal(c.mounts[1].target, "usr/lib");
	lxc_config_done(&c);
}

static void test_legacy(void **state)
{
	struct lxc_config c = { 0 };

	assert_int_equal(line(&c, "lxc.rootfs = /srv/old"), 0);
	assert_int_equal(line(&c, "lxc.utsname = old"), 0);
	assert_int_equal(line(&c, "lxc.network.type = veth"), 0);
	assert_int_equal(line(&c, "lxc.network.link = br1"), 0);
	assert_int_equal(line(&c, "lxc.network.veth.pair = vold"), 0);
	assert_int_equal(line(&c, "lxc.network.type = empty"), 0);
	assert_int_equal(line(&c, "lxc.network.name = second"), 0);
	assert_int_equal(line(&c, "lxc.tty = 4"), 0);
	assert_int_equal(line(&c, "lxc.pts = 1024"), 0);
	assert_int_equal(line(&c, "lxc.console = none"), 0);
	assert_int_equal(line(&c, "lxc.id_map = u 0 100000 65536"), 0);
	assert_int_equal(line(&c, "lxc.aa_profile = unconfined"), 0);
	assert_string_equal(c.rootfs, "/srv/old");
	assert_int_equal(c.n_nets, 2);
	assert_string_equal(c.nets[0].pair, "vold");
	assert_string_equal(c.nets[1].type, "empty");
	assert_string_equal(c.nets[1].name, "second");
	assert_int_equal(c.tty_max, 4);
	assert_int_equal(c.pty_max, 1024);
	assert_int_equal(c.n_idmaps, 1);
	assert_string_equal(c.console, "none");
	assert_string_equal(c.apparmor, "unconfined");
	lxc_config_done(&c);
}

/* As LXC names them: the first that is free, but what is moved in keeps its name. */
static void test_names(void **state)
{
	static const char *const want[] = { "eth1", "none", "uplink", "eth2", "eth0", "eth3" };
	struct lxc_config c = { 0 };

	assert_int_equal(line(&c, "lxc.net.0.type = veth"), 0);
	assert_int_equal(line(&c, "lxc.net.0.name = eth1"), 0);
	assert_int_equal(line(&c, "lxc.net.1.type = empty"), 0);
	assert_int_equal(line(&c, "lxc.net.1.name = none"), 0);
	assert_int_equal(line(&c, "lxc.net.2.type = phys"), 0);
	assert_int_equal(line(&c, "lxc.net.2.link = uplink"), 0);
	assert_int_equal(line(&c, "lxc.net.3.type = phys"), 0);
	assert_int_equal(line(&c, "lxc.net.3.link = host7"), 0);
	assert_int_equal(line(&c, "lxc.net.3.name = eth2"), 0);
	assert_int_equal(line(&c, "lxc.net.4.type = macvlan"), 0);
	assert_int_equal(line(&c, "lxc.net.9.type = veth"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		char *name = NULL;

		assert_int_equal(lxc_net_name(&c, i, &name), 0);
		assert_string_equal(name, want[i]);
		free(name);
	}
	lxc_config_done(&c);
}

static void test_clearing(void **state)
{
	struct lxc_config c = { 0 };

	assert_int_equal(line(&c, "lxc.net.7.type = veth"), 0);
	assert_int_equal(line(&c, "lxc.net.3.type = phys"), 0);
	assert_int_equal(c.nets[0].index, 3);
	assert_int_equal(c.nets[1].index, 7);
	assert_int_equal(line(&c, "lxc.mount.entry = a b"), 0);
	assert_string_equal(c.mounts[0].options, "defaults");
	assert_int_equal(line(&c, "lxc.console.path = /dev/tty9"), 0);
	assert_int_equal(line(&c, "lxc.console.path ="), 0);
	assert_null(c.console);
	assert_int_equal(line(&c, "lxc.net ="), 0);
	assert_int_equal(c.n_nets, 0);
	assert_int_equal(line(&c, "lxc.mount.entry ="), 0);
	assert_int_equal(c.n_mounts, 0);
	lxc_config_done(&c);
}

static void test_quotes(void **state)
{
	struct lxc_config c = { 0 };

	assert_int_equal(line(&c, "lxc.uts.name = 'a b'"), 0);
	assert_string_equal(c.uts, "a b");
	assert_int_equal(line(&c, "lxc.uts.name = \"a'"), 0);
	assert_string_equal(c.uts, "\"a'");
	assert_int_equal(line(&c, "lxc.uts.name = \""), 0);
	assert_string_equal(c.uts, "\"");
	assert_int_equal(line(&c, "lxc.uts.name = \"\""), 0);
	assert_null(c.uts);
	assert_int_equal(line(&c, "lxc.uts.name=x=y # no comment here"), 0);
	assert_string_equal(c.uts, "x=y # no comment here");
	assert_int_equal(line(&c, "martian line, no equals sign"), 0);
	assert_int_equal(line(&c, "lxc.rootfs.path = overlay:/low:/up"), 0);
	assert_string_equal(c.rootfs_type, "overlay");
	assert_string_equal(c.rootfs, "/low:/up");
	lxc_config_done(&c);
}

static void test_include(void **state)
{
	struct lxc_config c;
	struct lxc_config_error err;
	char path[128];

	snprintf(path, sizeof(path), "%s/d", dir);
	mkdir(path, 0700);
	put("config", "lxc.include = @/a.conf\nlxc.include = @/d\nlxc.pty.max = 5\n");
	put("a.conf", "lxc.include = @/b.conf\nlxc.tty.max = 1\n");
	put("b.conf", "lxc.uts.name = b");
	put("d/1.conf", "lxc.tty.max = 2\n");
	put("d/2.conf", "lxc.tty.max = 3\nlxc.pty.max = 4\n");
	put("d/no", "lxc.tty.max = x\n");
	assert_int_equal(get(&c, &err), 0);
	assert_string_equal(c.uts, "b");
	assert_int_equal(c.tty_max, 3);
	assert_int_equal(c.pty_max, 5);
	lxc_config_done(&c);
	put("b.conf", "\n\nlxc.tty.max = -1\n");
	assert_int_equal(get(&c, &err), -EINVAL);
	assert_int_equal(err.line, 3);
	assert_non_null(strstr(err.file, "b.conf"));
	put("b.conf", "lxc.include = @/a.conf\n");
	assert_int_equal(get(&c, &err), -ELOOP);
	put("a.conf", "lxc.include = @/missing\n");
	assert_int_equal(get(&c, &err), -ENOENT);
}

static void test_fstab(void **state)
{
	struct lxc_config c;
	struct lxc_config_error err;

	put("config", "lxc.mount.entry = /x x none bind\nlxc.mount.fstab = @/fstab\n");
	put("fstab", "# table\n\n/srv srv none rw,rbind 0 0\n");
	assert_int_equal(get(&c, &err), 0);
	assert_int_equal(c.n_mounts, 2);
	assert_string_equal(c.mounts[0].source, "/srv");
	assert_string_equal(c.mounts[1].source, "/x");
	lxc_config_done(&c);
	put("fstab", "alone\n");
	assert_int_equal(get(&c, &err), -EINVAL);
}

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"lxc.net.0.type",
		"lxc.net.x.type = veth",
		"lxc.net.99999999999.type = veth",
		"lxc.net.0000000000000000000000000001.type = veth",
		"lxc.net.1x.type = veth",
		"lxc.net = veth",
		"lxc.network.link = br0",
		"lxc.net.0.veth.pair = a-name-that-is-far-too-long",
		"lxc.tty.max = 4294967296",
		"lxc.tty.max = four",
		"lxc.mount.entry = one",
	};
	struct lxc_config c = { 0 };
	char big[8000];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(line(&c, bad[i]), -EINVAL);
	assert_int_equal(line(&c, "lxc."), -EINVAL);
	assert_int_equal(line(&c, "lxc.=x"), 0);
	assert_int_equal(line(&c, "lxc.net.4294967295.type = veth"), 0);
	assert_int_equal(line(&c, "lxc.network.type = veth"), -EINVAL);
	memset(big, 'A', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "lxc.uts.name=", 13);
	assert_int_equal(line(&c, big), 0);
	assert_int_equal(strlen(c.uts), sizeof(big) - 1 - 13);
	memset(big + 4, '=', sizeof(big) - 5);
	assert_int_equal(line(&c, big), 0);
	lxc_config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busybox), cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_clearing),
		cmocka_unit_test(test_quotes),	cmocka_unit_test(test_include),
		cmocka_unit_test(test_fstab),	cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
