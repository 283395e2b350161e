/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mnt/: images that lie are refused when they are loaded, before anything is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"
#include "image/image.h"
#include "mnt/mnt.h"
#include "proto/mnt.pb-c.h"

struct fake {
	MntSourceEntry source[2];
	MntEntry mount[3];
	MntTreeEntry tree, *trees[1];
	MntOptionEntry option, *options[1];
	char dir[64];
};

/* A root directory with a tmpfs on /a and a bind of its directory x on /a/b. */
static void honest(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < 2; i++) {
		mnt_source_entry__init(&f->source[i]);
		f->source[i].id = i + 1;
		f->source[i].kind = i ? MNT_SOURCE_ENTRY__KIND__FS : MNT_SOURCE_ENTRY__KIND__ROOTFS;
		f->source[i].fstype = (char *)(i ? "tmpfs" : "ext4");
		f->source[i].device = (char *)"none";
		f->source[i].mnt_ns_id = 3;
		f->source[i].is_dir = true;
	}
	f->source[0].path = (char *)"/";
	mnt_tree_entry__init(&f->tree);
	f->tree.root = (char *)"/";
	f->tree.archive = (char *)"tmpfs-2-0.tar";
	f->tree.is_dir = true;
	f->trees[0] = &f->tree;
	mnt_option_entry__init(&f->option);
	f->options[0] = &f->option;
	f->source[1].n_trees = 1;
	f->source[1].trees = f->trees;
	for (size_t i = 0; i < 3; i++) {
		mnt_entry__init(&f->mount[i]);
		f->mount[i].id = i + 1;
		f->mount[i].mnt_ns_id = 3;
		f->mount[i].parent = i;
		f->mount[i].source = i ? 2 : 1;
		f->mount[i].rel = (char *)(i == 2 ? "x" : "");
	}
	f->mount[0].point = (char *)"/";
	f->mount[1].point = (char *)"/a";
	f->mount[2].point = (char *)"/a/b";
}

static void write_image(struct fake *f)
{
	const ProtobufCMessage *sources[] = { &f->source[0].base, &f->source[1].base };
	const ProtobufCMessage *mounts[] = { &f->mount[0].base, &f->mount[1].base, &f->mount[2].base };
	struct image *img;
	int fd;

	snprintf(f->dir, sizeof(f->dir), "/tmp/ctcr-test-mnt.%d", getpid());
	assert_int_equal(image_create(f->dir, &img), 0);
	assert_int_equal(image_write(img, "mnt-sources", sources, 2), 0);
	assert_int_equal(image_write(img, "mounts", mounts, 3), 0);
	fd = image_raw_create(img, "tmpfs-2-0.tar");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(image_commit(img), 0);
	image_free(img);
}

static void remove_image(const struct fake *f)
{
	static const char *const names[] = { "mnt-sources.img", "mounts.img", "tmpfs-2-0.tar",
					     "inventory.img" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(f->dir), 0);
}

static int load(struct fake *f)
{
	struct options o = { 0 };
	struct restore r = { .opt = &o, .root_fd = -1 };
	int err;

	write_image(f);
	assert_int_equal(image_open(f->dir, &r.img), 0);
	err = mnt_load(&r);
	if (err >= 0)
		err = mnt_plan(&r);
	mnt_restore_done(&r);
	image_free(r.img);
	remove_image(f);
	return err;
}

static void takes_an_honest_image(void **state)
{
	struct fake f;

	honest(&f);
	assert_int_equal(load(&f), 0);
}

#define LIES(name, change)                            \
	static void name(void **state)                \
	{                                             \
		struct fake f;                        \
                                                      \
		honest(&f);                           \
		change;                               \
		log_quiet(true);                      \
		assert_int_equal(load(&f), -EBADMSG); \
		log_quiet(false);                     \
	}

LIES(source_ids, f.source[1].id = 1)
LIES(source_path, f.source[0].path = (char *)"/a/../../etc")
LIES(tree_root, f.tree.root = (char *)"x/..")
LIES(tree_file_root, f.tree.is_dir = false)
LIES(tree_archive, f.tree.archive = (char *)"../../etc/shadow")
LIES(tree_missing, f.tree.archive = (char *)"tmpfs-9-9.tar")
LIES(fs_of_a_disk, f.source[1].fstype = (char *)"ext4")
LIES(fs_unknown, f.source[1].fstype = (char *)"tmpfs.x")
LIES(fs_option, (f.option.key = (char *)"source", f.source[1].options = f.options, f.source[1].n_options = 1))
LIES(console_without_tty, f.source[1].kind = MNT_SOURCE_ENTRY__KIND__CONSOLE)
LIES(cgroup_without_path, f.source[1].kind = MNT_SOURCE_ENTRY__KIND__CGROUP)
LIES(external_without_path, f.source[1].kind = MNT_SOURCE_ENTRY__KIND__EXTERNAL)
LIES(mount_ids, f.mount[2].id = 9)
LIES(mount_ns, f.mount[2].mnt_ns_id = 0)
LIES(mount_source, f.mount[2].source = 3)
LIES(mount_source_zero, f.mount[2].source = 0)
LIES(mount_point, f.mount[2].point = (char *)"/a/../b")
LIES(mount_point_elsewhere, f.mount[2].point = (char *)"/b/c")
LIES(mount_over_root, f.mount[1].point = (char *)"/")
LIES(mount_rel, f.mount[2].rel = (char *)"../x")
LIES(mount_rel_absolute, f.mount[2].rel = (char *)"/x")
LIES(mount_flags, f.mount[2].attrs = 0x100000)
LIES(mount_parent_later, f.mount[1].parent = 3)
LIES(mount_parent_itself, f.mount[1].parent = 2)
LIES(mount_parent_of_other_ns, f.mount[2].mnt_ns_id = 4)
LIES(two_roots, (f.mount[2].parent = 0, f.mount[2].point = (char *)"/"))
LIES(own_master,
     (f.mount[2].has_shared = f.mount[2].has_master = true, f.mount[2].shared = f.mount[2].master = 7))

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_an_honest_image),
		cmocka_unit_test(source_ids),
		cmocka_unit_test(source_path),
		cmocka_unit_test(tree_root),
		cmocka_unit_test(tree_file_root),
		cmocka_unit_test(tree_archive),
		cmocka_unit_test(tree_missing),
		cmocka_unit_test(fs_of_a_disk),
		cmocka_unit_test(fs_unknown),
		cmocka_unit_test(fs_option),
		cmocka_unit_test(console_without_tty),
		cmocka_unit_test(cgroup_without_path),
		cmocka_unit_test(external_without_path),
		cmocka_unit_test(mount_ids),
		cmocka_unit_test(mount_ns),
		cmocka_unit_test(mount_source),
		cmocka_unit_test(mount_source_zero),
		cmocka_unit_test(mount_point),
		cmocka_unit_test(mount_point_elsewhere),
		cmocka_unit_test(mount_over_root),
		cmocka_unit_test(mount_rel),
		cmocka_unit_test(mount_rel_absolute),
		cmocka_unit_test(mount_flags),
		cmocka_unit_test(mount_parent_later),
		cmocka_unit_test(mount_parent_itself),
		cmocka_unit_test(mount_parent_of_other_ns),
		cmocka_unit_test(two_roots),
		cmocka_unit_test(own_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
