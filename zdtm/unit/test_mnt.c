/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mnt/: mountinfo as text, the order of mounting, what each mount is a mount of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "core/ns.h"
#include "mnt/cgroup.h"
#include "mnt/options.h"
#include "mnt/source.h"

#define EXT4 "ext4 /dev/vda rw,discard\n"

static const char host_text[] =
	"21 27 0:21 / /proc rw,relatime - proc proc rw\n"
	"22 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
	"24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,mode=755\n"
	"26 24 0:24 / /dev/pts rw,relatime - devpts devpts rw,mode=600,ptmxmode=000\n"
	"29 26 0:26 / /dev/pts rw,relatime - devpts devpts rw,mode=600,ptmxmode=000\n"
	"27 1 254:0 / / rw,relatime - " EXT4
	"40 22 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"41 22 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	"50 27 0:90 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw,allow_other\n";

/* A container of the busybox template, shortened. */
static const char bb_text[] =
	"68 44 254:0 /var/lib/lxc/bb/rootfs / rw,relatime shared:3 - " EXT4
	"69 68 0:40 / /dev rw,relatime shared:4 - tmpfs none rw,size=492k,mode=755\n"
	"70 68 0:41 / /proc rw,nosuid,nodev,noexec,relatime shared:15 - proc proc rw\n"
	"71 72 0:41 /sys/net /proc/sys/net rw,nosuid shared:17 - proc proc rw\n"
	"72 70 0:41 /sys /proc/sys ro,relatime shared:16 - proc proc rw\n"
	"73 68 0:42 / /sys ro,relatime shared:18 - sysfs sysfs ro\n"
	"76 68 254:0 /usr/lib /lib ro,relatime shared:20 - " EXT4
	"77 68 254:0 /usr/lib /usr/lib ro,relatime shared:21 - " EXT4
	"80 73 0:22 /kernel/security /sys/kernel/security ro shared:19 - sysfs sysfs rw\n"
	"81 69 0:44 / /dev/pts rw shared:7 - devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=6\n"
	"82 69 0:44 /ptmx /dev/ptmx rw shared:8 - devpts devpts rw,gid=5,mode=620,ptmxmode=666,max=6\n"
	"83 69 0:26 /0 /dev/console rw shared:9 - devpts devpts rw,mode=600,ptmxmode=000\n"
	"90 73 0:37 /lxc.payload.bb /sys/fs/cgroup rw - cgroup none rw,xattr,name=systemd\n"
	"91 68 0:90 /proc/uptime /proc/uptime rw - fuse.lxcfs lxcfs rw,allow_other\n"
	"46 72 0:40 /.lxc-boot-id//deleted /proc/sys/kernel/random/boot_id ro shared:4 - tmpfs none "
	"rw,size=492k\n";

static int parse(const char *text, struct mount_list *l)
{
	char *copy = strdup(text);
	int err;

	assert_non_null(copy);
	*l = (struct mount_list){ 0 };
	err = mountinfo_parse(copy, l);
	free(copy);
	return err;
}

static const struct mount *at(const struct mount_list *l, const char *point)
{
	for (size_t i = l->n; i-- > 0;)
		if (streq(l->m[i]->point, point))
			return l->m[i];
	fail_msg("no mount at %s", point);
	return NULL;
}

static void parses_fields(void **state)
{
	struct mount_list l;
	const struct mount *m;

	assert_int_equal(
		parse("7 3 259:70000 /a\\040b /c\\011d\\134 ro,nosuid,noatime,nodiratime shared:5 master:2 "
		      "propagate_from:1 - tmpfs my\\040src rw,sync,size=4k,lazytime,mode=700\n",
		      &l),
		0);
	assert_int_equal(l.n, 1);
	m = l.m[0];
	assert_int_equal(m->id, 7);
	assert_int_equal(m->parent, 3);
	assert_true(m->dev == makedev(259, 70000));
	assert_string_equal(m->root, "/a b");
	assert_string_equal(m->point, "/c\td\\");
	assert_string_equal(m->source, "my src");
	assert_string_equal(m->options, "size=4k,mode=700");
	assert_int_equal(m->sb_flags, MS_SYNCHRONOUS | MS_LAZYTIME);
	assert_int_equal(m->attrs,
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME);
	assert_int_equal(m->shared, 5);
	assert_int_equal(m->master, 2);
	mount_list_done(&l);
}

static void parses_odd_lines(void **state)
{
	struct mount_list l;

	/* An empty source, a root that is no path, no atime word, unbindable, deleted. */
	assert_int_equal(parse("1 2 0:4 net:[4026532177] /run/ns rw unbindable - nsfs  rw\n"
			       "2 0 0:5 /x//deleted / rw,idmapped,relatime - ext4 /dev/a rw\n",
			       &l),
			 0);
	assert_string_equal(l.m[0]->source, "");
	assert_string_equal(l.m[0]->root, "net:[4026532177]");
	assert_true(l.m[0]->unbindable);
	assert_int_equal(l.m[0]->attrs, MOUNT_ATTR_STRICTATIME);
	assert_true(l.m[1]->deleted);
	assert_true(l.m[1]->idmapped);
	assert_string_equal(l.m[1]->root, "/x");
	assert_int_equal(l.m[1]->attrs, 0);
	mount_list_done(&l);
}

static void refuses_broken_lines(void **state)
{
	static const char *const bad[] = {
		"\n",
		"1\n",
		"1 2 0:4 / / rw\n",
		"1 2 0:4 / / rw -\n",
		"1 2 0:4 / / rw - tmpfs\n",
		"1 2 0:4 / / rw - tmpfs none\n",
		"x 2 0:4 / / rw - tmpfs none rw\n",
		"1 -2 0:4 / / rw - tmpfs none rw\n",
		"1 2 04 / / rw - tmpfs none rw\n",
		"1 2 0:4x / / rw - tmpfs none rw\n",
		"1 2 0:4 / relative rw - tmpfs none rw\n",
		"1 2 0:4 / / rw shared:x - tmpfs none rw\n",
		"1 2 0:4 / / rw shared:99999999999 - tmpfs none rw\n",
		"4294967295 2 0:4 / / rw - tmpfs none rw\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mount_list l;

		if (parse(bad[i], &l) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
}

static void arranges_for_mounting(void **state)
{
	struct mount_list l;
	static const int want[] = { 1, 5, 2, 6, 7, 4, 3 };

	/* 4 was mounted at /a/b and then hidden by 3 at /a; 7 covers 6 at one mount point. */
	assert_int_equal(parse("3 1 0:3 / /a rw - tmpfs n rw\n"
			       "4 1 0:4 / /a/b rw - tmpfs n rw\n"
			       "7 6 0:7 / /z/y/x rw - tmpfs n rw\n"
			       "6 2 0:6 / /z/y/x rw - tmpfs n rw\n"
			       "1 0 0:1 / / rw - ext4 n rw\n"
			       "2 1 0:2 / /z/y rw - tmpfs n rw\n"
			       "5 1 0:5 / /q/w/e rw - tmpfs n rw\n",
			       &l),
			 0);
	assert_int_equal(mount_list_arrange(&l), 0);
	for (size_t i = 0; i < l.n; i++) {
		assert_int_equal(l.m[i]->id, want[i]);
		assert_int_equal(l.m[i]->order, i);
	}
	assert_ptr_equal(l.m[4]->up, l.m[3]);
	mount_list_done(&l);
}

static void refuses_what_is_no_tree(void **state)
{
	static const char *const bad[] = {
		"2 1 0:1 / /a rw - t n rw\n", /* no root */
		"2 1 0:1 / / rw - t n rw\n3 1 0:1 / / rw - t n rw\n", /* two */
		"2 1 0:1 / / rw - t n rw\n3 4 0:1 / /a rw - t n rw\n4 3 0:1 / /a rw - t n rw\n", /* a cycle */
		"2 1 0:1 / / rw - t n rw\n3 2 0:1 / /a rw - t n rw\n4 3 0:1 / /b rw - t n rw\n", /* not below
												  */
		"2 1 0:1 / / rw - t n rw\n3 2 0:1 / /a/../b rw - t n rw\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct mount_list l;

		assert_int_equal(parse(bad[i], &l), 0);
		if (mount_list_arrange(&l) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		mount_list_done(&l);
	}
}

static void knows_paths(void **state)
{
	assert_string_equal(path_below("/a/b", "/a"), "b");
	assert_string_equal(path_below("/a/b", "/"), "a/b");
	assert_string_equal(path_below("/a", "/a"), "");
	assert_string_equal(path_below("/", "/"), "");
	assert_null(path_below("/ab", "/a"));
	assert_null(path_below("/a", "/a/b"));
	assert_true(path_is_clean("/"));
	assert_true(path_is_clean("/a/..b/c."));
	assert_false(path_is_clean("a"));
	assert_false(path_is_clean("/a/"));
	assert_false(path_is_clean("//a"));
	assert_false(path_is_clean("/a/../b"));
	assert_false(path_is_clean("/."));
	assert_false(path_is_clean(""));
}

/* The upper devpts hides the lower one; everything else of the host can be seen. */
static int fake_reachable(const char *path, int id)
{
	return id == 26 ? -ENOENT : !streq(path, "/dev/pts/0") && !streq(path, "/var/lib/lxcfs/proc/uptime");
}

static const char *fake_external(const void *data, const char *point)
{
	return data && streq(point, data) ? "given" : NULL;
}

struct refusal {
	char text[512];
	size_t n;
};

static int note(void *data, const struct mount_list *l, const struct mount *m, const char *text)
{
	struct refusal *r = data;

	snprintf(r->text, sizeof(r->text), "%s: %s", m->point, text);
	r->n++;
	return 0;
}

struct world {
	struct mount_list host, l[2];
	struct ns ns[2];
	struct source_list s;
	struct refusal no;
};

static void classify(struct world *w, const char *text, const char *nested, const char *external)
{
	struct source_world sw = { &w->host, fake_reachable, fake_external, external };

	memset(w, 0, sizeof(*w));
	assert_int_equal(parse(host_text, &w->host), 0);
	assert_int_equal(parse(text, &w->l[0]), 0);
	assert_int_equal(mount_list_arrange(&w->l[0]), 0);
	w->l[0].ns = &w->ns[0];
	if (nested) {
		assert_int_equal(parse(nested, &w->l[1]), 0);
		assert_int_equal(mount_list_arrange(&w->l[1]), 0);
		w->l[1].ns = &w->ns[1];
	}
	assert_int_equal(sources_find(&sw, w->l, nested ? 2 : 1, &w->s, note, &w->no), 0);
}

static void world_done(struct world *w)
{
	mount_list_done(&w->host);
	mount_list_done(&w->l[0]);
	mount_list_done(&w->l[1]);
	source_list_done(&w->s);
}

#define KIND(x) MNT_SOURCE_ENTRY__KIND__##x

static void expect(const struct mount_list *l, const char *point, MntSourceEntry__Kind kind, const char *path,
		   const char *rel)
{
	const struct mount *m = at(l, point);

	if (!m->from)
		fail_msg("%s: refused", point);
	if (m->from->kind != kind)
		fail_msg("%s: kind %d, not %d", point, m->from->kind, kind);
	assert_string_equal(m->rel, rel);
	if (path)
		assert_string_equal(m->from->path, path);
	else
		assert_null(m->from->path);
}

static void classifies_a_container(void **state)
{
	struct world w;

	classify(&w, bb_text, NULL, NULL);
	assert_int_equal(w.no.n, 0);
	expect(&w.l[0], "/", KIND(ROOTFS), "/var/lib/lxc/bb/rootfs", "");
	expect(&w.l[0], "/dev", KIND(FS), NULL, "");
	expect(&w.l[0], "/proc/sys/net", KIND(FS), NULL, "sys/net");
	expect(&w.l[0], "/sys", KIND(FS), NULL, "");
	expect(&w.l[0], "/lib", KIND(EXTERNAL), "/usr/lib", "");
	expect(&w.l[0], "/sys/kernel/security", KIND(EXTERNAL), "/sys/kernel/security", "");
	expect(&w.l[0], "/dev/ptmx", KIND(FS), NULL, "ptmx");
	expect(&w.l[0], "/dev/console", KIND(CONSOLE), "/dev/pts/0", "");
	expect(&w.l[0], "/sys/fs/cgroup", KIND(CGROUP), "/sys/fs/cgroup/systemd/lxc.payload.bb", "");
	expect(&w.l[0], "/proc/uptime", KIND(EXTERNAL), "/var/lib/lxcfs/proc/uptime", "");
	expect(&w.l[0], "/proc/sys/kernel/random/boot_id", KIND(FS), NULL, ".lxc-boot-id");
	assert_false(at(&w.l[0], "/proc/uptime")->from->is_dir);
	assert_true(at(&w.l[0], "/lib")->from->is_dir);
	assert_ptr_equal(at(&w.l[0], "/lib")->from, at(&w.l[0], "/usr/lib")->from);
	assert_ptr_equal(at(&w.l[0], "/proc/sys/kernel/random/boot_id")->from, at(&w.l[0], "/dev")->from);
	world_done(&w);
}

static void classifies_a_service(void **state)
{
	struct world w;

	/* As systemd makes them: copies, binds of parts of the root, file systems of its own. */
	classify(&w, bb_text,
		 "100 1 254:0 /var/lib/lxc/bb/rootfs / ro shared:103 master:3 - " EXT4
		 "101 100 254:0 /var/lib/lxc/bb/rootfs/etc /etc rw master:3 - " EXT4
		 "102 100 0:40 / /dev rw master:4 - tmpfs none rw,size=492k,mode=755\n"
		 "103 100 0:68 / /proc rw - proc proc rw,hidepid=invisible\n"
		 "104 100 254:0 /usr/lib/x /opt rw - " EXT4,
		 NULL);
	assert_int_equal(w.no.n, 0);
	expect(&w.l[1], "/", KIND(ROOTFS), "/var/lib/lxc/bb/rootfs", "");
	expect(&w.l[1], "/etc", KIND(ROOTFS), "/var/lib/lxc/bb/rootfs", "etc");
	expect(&w.l[1], "/opt", KIND(EXTERNAL), "/usr/lib", "x");
	assert_ptr_equal(at(&w.l[1], "/dev")->from, at(&w.l[0], "/dev")->from);
	assert_ptr_not_equal(at(&w.l[1], "/proc")->from, at(&w.l[0], "/proc")->from);
	assert_ptr_equal(at(&w.l[1], "/proc")->from->ns, &w.ns[1]);
	assert_ptr_equal(at(&w.l[1], "/dev")->from->ns, &w.ns[0]);
	world_done(&w);
}

static void refuses(const char *line, const char *why)
{
	_cleanup_free_ char *text = NULL;
	struct world w;

	assert_true(asprintf(&text, "1 0 254:0 /r / rw - " EXT4 "%s", line) > 0);
	classify(&w, text, NULL, NULL);
	assert_int_equal(w.no.n, 1);
	if (!strstr(w.no.text, why))
		fail_msg("%s does not say %s", w.no.text, why);
	assert_null(w.l[0].m[1]->from);
	world_done(&w);
}

static void refuses_what_it_cannot(void **state)
{
	refuses("2 1 0:70 / /f rw - fuse.sshfs u@h:/ rw\n", "server");
	refuses("2 1 0:70 / /f rw - nfs4 h:/ rw\n", "network file system");
	refuses("2 1 0:70 / /f rw - autofs systemd-1 rw\n", "automounter");
	refuses("2 1 8:1 / /f rw - xfs /dev/sda1 rw\n", "--external");
	refuses("2 1 0:4 net:[4026532177] /f rw - nsfs nsfs rw\n", "namespace");
	refuses("2 1 254:0 /gone//deleted /f rw - " EXT4, "deleted");
	refuses("2 1 0:70 / /f rw,idmapped - tmpfs n rw\n", "idmapped");
	refuses("2 1 0:70 / / rw - tmpfs n rw\n", "covers the root");
	refuses("2 1 254:0 /r / rw - " EXT4, "covers the root");
	refuses("2 1 0:24 / /f rw - devpts devpts rw\n", "hidden");
}

static void takes_externals(void **state)
{
	struct world w;

	classify(&w, "1 0 254:0 /r / rw - " EXT4 "2 1 8:1 /d /f rw - xfs /dev/sda1 rw\n", NULL, "/f");
	assert_int_equal(w.no.n, 0);
	expect(&w.l[0], "/f", KIND(EXTERNAL), NULL, "");
	assert_string_equal(at(&w.l[0], "/f")->from->name, "given");
	world_done(&w);
}

/* LXC calls every console external. */
static void knows_consoles(void **state)
{
	struct world w;

	classify(&w,
		 "1 0 254:0 /r / rw - " EXT4 "2 1 0:44 / /dev/pts rw - devpts devpts rw\n"
		 "3 1 0:44 /0 /dev/console rw - devpts devpts rw\n",
		 NULL, "/dev/console");
	assert_int_equal(w.no.n, 0);
	expect(&w.l[0], "/dev/console", KIND(FS), NULL, "0");
	world_done(&w);
	classify(&w, "1 0 254:0 /r / rw - " EXT4 "3 1 0:26 /0 /dev/console rw - devpts devpts rw\n", NULL,
		 "/dev/console");
	expect(&w.l[0], "/dev/console", KIND(CONSOLE), "/dev/pts/0", "");
	assert_int_equal(at(&w.l[0], "/dev/console")->from->tty, 0);
	world_done(&w);
}

static void reads_hierarchies(void **state)
{
	static const char text[] = "12:cpu,cpuacct:/a\n2:name=systemd:/lxc.payload.x/init.scope\n0::/u\n";
	struct mount m = { .fstype = (char *)"cgroup",
			   .options = (char *)"xattr,release_agent=/x,name=systemd" };
	MntSourceEntry s = MNT_SOURCE_ENTRY__INIT;
	char *v;

	assert_int_equal(cgroup_hierarchy(&m, &v), 0);
	assert_string_equal(v, "name=systemd");
	free(v);
	m.options = (char *)"cpu,cpuacct";
	assert_int_equal(cgroup_hierarchy(&m, &v), 0);
	assert_string_equal(v, "cpu,cpuacct");
	free(v);
	m.fstype = (char *)"cgroup2";
	assert_int_equal(cgroup_hierarchy(&m, &v), 0);
	assert_string_equal(v, "");
	free(v);
	assert_int_equal(cgroup_path_of(text, "name=systemd", &v), 0);
	assert_string_equal(v, "/lxc.payload.x/init.scope");
	free(v);
	assert_int_equal(cgroup_path_of(text, "", &v), 0);
	assert_string_equal(v, "/u");
	free(v);
	assert_int_equal(cgroup_path_of(text, "pids", &v), -ENOENT);
	assert_int_equal(cgroup_path_of("1:x\n", "x", &v), -EBADMSG);
	s.cgroup = (char *)"/lxc.payload.x";
	s.cgroup_below = (char *)"/init.scope";
	assert_int_equal(cgroup_translate(&s, "/lxc.payload.x-1/init.scope", &v), 0);
	assert_string_equal(v, "/lxc.payload.x-1");
	free(v);
	assert_int_equal(cgroup_translate(&s, "/other", &v), 0);
	assert_string_equal(v, "/lxc.payload.x");
	free(v);
}

static void takes_back_options(void **state)
{
	MntSourceEntry s = MNT_SOURCE_ENTRY__INIT;
	uint32_t id = 7;

	assert_int_equal(options_to_msg(fs_type_of("tmpfs"), "size=4k,inode64,seclabel,huge=within_size", &s),
			 0);
	assert_int_equal(s.n_options, 3);
	assert_string_equal(s.options[0]->key, "size");
	assert_string_equal(s.options[0]->value, "4k");
	assert_string_equal(s.options[1]->key, "inode64");
	assert_null(s.options[1]->value);
	for (size_t i = 0; i < s.n_options; i++)
		mnt_option_entry__free_unpacked(s.options[i], NULL);
	free(s.options);
	assert_int_equal(id_to_inside("  0 100000 1000\n 1000 5 1\n", 100005, &id), 0);
	assert_int_equal(id, 5);
	assert_int_equal(id_to_inside("  0 100000 1000\n 1000 5 1\n", 5, &id), 0);
	assert_int_equal(id, 1000);
	assert_int_equal(id_to_inside("  0 100000 1000\n 1000 5 1\n", 6, &id), -EINVAL);
	assert_int_equal(id, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_fields),	   cmocka_unit_test(parses_odd_lines),
		cmocka_unit_test(refuses_broken_lines),	   cmocka_unit_test(arranges_for_mounting),
		cmocka_unit_test(refuses_what_is_no_tree), cmocka_unit_test(knows_paths),
		cmocka_unit_test(classifies_a_container),  cmocka_unit_test(classifies_a_service),
		cmocka_unit_test(refuses_what_it_cannot),  cmocka_unit_test(takes_externals),
		cmocka_unit_test(knows_consoles),	   cmocka_unit_test(reads_hierarchies),
		cmocka_unit_test(takes_back_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
