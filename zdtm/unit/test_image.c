/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image layer: what was written is read again, and anything damaged or hostile is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "image/internal.h"
#include "zdtm/unit/image_dir.h"

struct fix {
	char dir[64];
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/ctcr-unit-image-XXXXXX");
	log_quiet(true);
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	image_dir_clear(f->dir);
	free(f);
	return 0;
}

static int in_dir(const struct fix *f, const char *name, int flags)
{
	_cleanup_close_ int dir = open(f->dir, O_RDONLY | O_DIRECTORY);

	return openat(dir, name, flags, 0600);
}

/* Records and a raw file; 0 or the first error. */
static int make_image(const struct fix *f, size_t n)
{
	ImageFileEntry e = IMAGE_FILE_ENTRY__INIT;
	struct image_file *out;
	struct image *img;
	int fd, err;

	err = image_create(f->dir, &img);
	if (err < 0)
		return err;
	assert_int_equal(image_file_create(img, "things", &out), 0);
	e.sum.data = (uint8_t *)(char[]){ "0123456789abcdef" };
	e.sum.len = 16;
	for (size_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "thing-%zu", i);
		e.name = name;
		e.size = i;
		assert_int_equal(image_file_write(out, &e.base), 0);
	}
	assert_int_equal(image_file_close(out), 0);
	fd = image_raw_create(img, "pages-1.img");
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	assert_int_equal(pwrite_all(fd, "page", 4, 2 << 20), 0);
	close(fd);
	err = image_describe(img, &(struct image_about){ .container = "web",
							 .n_tasks = 3,
							 .options = (const char *const[]){ "--ct" },
							 .n_options = 1 });
	if (err >= 0)
		err = image_commit(img);
	image_free(img);
	return err;
}

static int try_open(const struct fix *f)
{
	struct image *img;
	int err = image_open(f->dir, &img);

	if (err >= 0)
		image_free(img);
	return err;
}

static void test_round_trip(void **state)
{
	struct fix *f = *state;
	ProtobufCMessage **list;
	struct image *img;
	struct stat st;
	size_t n;
	int fd;

	assert_int_equal(make_image(f, 20000), 0);
	assert_int_equal(image_open(f->dir, &img), 0);
	assert_string_equal(image_inventory(img)->container, "web");
	assert_int_equal(image_inventory(img)->n_tasks, 3);
	assert_string_equal(image_inventory(img)->options[0], "--ct");
	assert_true(image_inventory(img)->realtime_ns > 0);
	assert_true(image_has(img, "things"));
	assert_true(image_has(img, "pages-1.img"));
	assert_false(image_has(img, "thing"));
	assert_int_equal(image_read(img, "things", &image_file_entry__descriptor, &list, &n), 0);
	assert_int_equal(n, 20000);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(((ImageFileEntry *)list[i])->size, i);
	image_messages_free(list, n);
	assert_int_equal(image_read(img, "absent", &image_file_entry__descriptor, &list, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(image_raw_open(img, "absent.img"), -ENOENT);
	fd = image_raw_open(img, "pages-1.img");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 3 << 20);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(fd);
	image_free(img);
}

static void test_one_record(void **state)
{
	struct fix *f = *state;
	ProtobufCMessage *msg = NULL;
	struct image *img;

	assert_int_equal(make_image(f, 2), 0);
	assert_int_equal(image_open(f->dir, &img), 0);
	assert_int_equal(image_read_one(img, "things", &image_file_entry__descriptor, &msg), -EBADMSG);
	assert_int_equal(image_read_one(img, "absent", &image_file_entry__descriptor, &msg), -EBADMSG);
	assert_null(msg);
	image_free(img);
}

static void test_uncommitted(void **state)
{
	struct fix *f = *state;
	struct image *img;
	char sub[96];
	int fd;

	snprintf(sub, sizeof(sub), "%s/new", f->dir);
	assert_int_equal(image_create(sub, &img), 0);
	fd = image_raw_create(img, "pages-1.img");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(image_raw_create(img, "pages-1.img"), -EEXIST);
	memcpy(f->dir, sub, sizeof(f->dir));
	assert_int_equal(try_open(f), -ENOENT);
	image_remove(img);
	image_free(img);
	assert_int_equal(access(sub, F_OK), -1);
	*strrchr(f->dir, '/') = 0;
}

/* A script refused the complete image: nothing of it is left. */
static void test_remove_committed(void **state)
{
	struct fix *f = *state;
	struct image *img;
	char sub[96];
	int fd;

	snprintf(sub, sizeof(sub), "%s/new", f->dir);
	assert_int_equal(image_create(sub, &img), 0);
	fd = image_raw_create(img, "pages-1.img");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(image_commit(img), 0);
	image_remove(img);
	image_free(img);
	assert_int_equal(access(sub, F_OK), -1);
	assert_int_equal(make_image(f, 1), 0);
	assert_int_equal(image_open(f->dir, &img), 0);
	image_remove(img); /* opened, not made by us: stays */
	image_free(img);
	assert_int_equal(try_open(f), 0);
}

static void test_no_second_image(void **state)
{
	struct fix *f = *state;

	assert_int_equal(make_image(f, 1), 0);
	assert_int_equal(make_image(f, 1), -EEXIST);
	assert_int_equal(try_open(f), 0);
}

static void test_two_writers(void **state)
{
	struct fix *f = *state;
	struct image *a, *b;

	assert_int_equal(image_create(f->dir, &a), 0);
	assert_int_equal(image_create(f->dir, &b), -EBUSY);
	image_free(a);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = { "",	   ".",	      "..",   "a/b", "/etc/passwd",
					   "../x", ".hidden", "a..b", "a b", "inventory.img" };
	struct fix *f = *state;
	struct image *img;
	char longname[200];

	assert_int_equal(image_create(f->dir, &img), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(image_raw_create(img, bad[i]), -EINVAL);
	memset(longname, 'a', sizeof(longname));
	longname[sizeof(longname) - 1] = 0;
	assert_int_equal(image_raw_create(img, longname), -EINVAL);
	image_free(img);
}

static void test_missing(void **state)
{
	struct fix *f = *state;
	char path[96];

	assert_int_equal(make_image(f, 3), 0);
	snprintf(path, sizeof(path), "%s/things.img", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_open(f), -ENOENT);
}

static void test_not_regular(void **state)
{
	struct fix *f = *state;
	char path[96], other[96];

	assert_int_equal(make_image(f, 3), 0);
	snprintf(path, sizeof(path), "%s/things.img", f->dir);
	snprintf(other, sizeof(other), "%s/other", f->dir);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink("other", path), 0);
	assert_int_equal(try_open(f), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try_open(f), -EBADMSG);
}

/* Cut @name at every length below its size (in steps): refused each time. */
static void cut_everywhere(const struct fix *f, const char *name)
{
	_cleanup_close_ int fd = in_dir(f, name, O_RDWR);
	_cleanup_strbuf_ struct strbuf s = { 0 };

	assert_int_equal(read_fd(fd, &s), 0);
	for (size_t len = 0; len < s.len; len += 1 + s.len / 97) {
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(try_open(f), -EBADMSG);
		assert_int_equal(pwrite_all(fd, s.buf, s.len, 0), 0);
		assert_int_equal(try_open(f), 0);
	}
}

static void test_truncated(void **state)
{
	assert_int_equal(make_image(*state, 50), 0);
	cut_everywhere(*state, "things.img");
	cut_everywhere(*state, "inventory.img");
}

static void flip_everywhere(const struct fix *f, const char *name)
{
	_cleanup_close_ int fd = in_dir(f, name, O_RDWR);
	_cleanup_strbuf_ struct strbuf s = { 0 };

	assert_int_equal(read_fd(fd, &s), 0);
	for (size_t at = 0; at < s.len; at += 1 + s.len / 211) {
		char c = s.buf[at] ^ (1 << at % 8);

		assert_int_equal(pwrite_all(fd, &c, 1, at), 0);
		assert_int_equal(try_open(f), -EBADMSG);
		assert_int_equal(pwrite_all(fd, s.buf + at, 1, at), 0);
	}
	assert_int_equal(try_open(f), 0);
}

static void test_bit_flips(void **state)
{
	assert_int_equal(make_image(*state, 50), 0);
	flip_everywhere(*state, "things.img");
	flip_everywhere(*state, "inventory.img");
}

static void test_longer(void **state)
{
	static const char *const names[] = { "things.img", "inventory.img", "pages-1.img" };

	assert_int_equal(make_image(*state, 5), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int fd = in_dir(*state, names[i], O_RDWR);
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(pwrite_all(fd, "\0\0\0\0", 4, st.st_size), 0);
		assert_int_equal(try_open(*state), -EBADMSG);
		assert_int_equal(ftruncate(fd, st.st_size), 0);
		assert_int_equal(try_open(*state), 0);
	}
}

/* A valid image whose file "bad.img" holds exactly these bytes after (or instead of) the header. */
static int hostile_file(const struct fix *f, bool header, const void *data, size_t len)
{
	char head[IMAGE_HEADER_MAX];
	ProtobufCMessage **list;
	struct image *img;
	size_t n;
	int fd, err;

	assert_int_equal(image_create(f->dir, &img), 0);
	fd = image_raw_create(img, "bad.img");
	assert_true(fd >= 0);
	if (header)
		assert_int_equal(write_all(fd, head, image_header(head, "bad")), 0);
	assert_int_equal(write_all(fd, data, len), 0);
	close(fd);
	assert_int_equal(image_commit(img), 0);
	image_free(img);
	assert_int_equal(image_open(f->dir, &img), 0);
	err = image_read(img, "bad", &image_file_entry__descriptor, &list, &n);
	if (err >= 0)
		image_messages_free(list, n);
	image_free(img);
	fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	unlinkat(fd, "inventory.img", 0);
	close(fd);
	return err;
}

static void test_hostile_records(void **state)
{
	struct fix *f = *state;
	char other[IMAGE_HEADER_MAX];
	size_t n = image_header(other, "good");

	assert_int_equal(hostile_file(f, true, "", 0), 0);
	assert_int_equal(hostile_file(f, false, "", 0), -EBADMSG);
	assert_int_equal(hostile_file(f, false, "ctc", 3), -EBADMSG);
	assert_int_equal(hostile_file(f, false, other, n), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\1", 1), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\377\377\377\377", 4), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\377\377\377\177abcd", 8), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\5\0\0\0abcd", 8), -EBADMSG);
	/* complete: name "a", size 0, sum ""; then with a field 99 that nobody knows */
	assert_int_equal(hostile_file(f, true, "\7\0\0\0\12\1a\20\0\32\0", 11), 0);
	assert_int_equal(hostile_file(f, true, "\12\0\0\0\12\1a\20\0\32\0\230\6\1", 14), -EBADMSG);
	/* a record without its required fields; one that is no protobuf; a string longer than the record */
	assert_int_equal(hostile_file(f, true, "\0\0\0\0", 4), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\4\0\0\0\377\377\377\377", 8), -EBADMSG);
	assert_int_equal(hostile_file(f, true, "\4\0\0\0\12\377\377\7", 8), -EBADMSG);
}

/* An inventory with a right checksum that lists these files. */
static int hostile_inventory(const struct fix *f, const char *const *names, size_t n, size_t sum_len)
{
	uint8_t buf[8192], sum[64] = { 0 };
	InventoryEntry inv = INVENTORY_ENTRY__INIT;
	ImageFileEntry e[8], *list[8];
	char empty[] = "";
	XXH128_canonical_t c;
	uint32_t len, head = image_header(buf, "inventory");
	int fd;

	inv.format = IMAGE_FORMAT;
	inv.ctcr_version = inv.kernel = inv.arch = empty;
	inv.files = list;
	inv.n_files = n;
	for (size_t i = 0; i < n; i++) {
		image_file_entry__init(&e[i]);
		e[i].name = (char *)(uintptr_t)names[i];
		e[i].sum.data = sum;
		e[i].sum.len = sum_len;
		list[i] = &e[i];
	}
	len = inventory_entry__pack(&inv, buf + head + 4);
	memcpy(buf + head, &len, 4);
	XXH128_canonicalFromHash(&c, XXH3_128bits(buf, head + 4 + len));
	memcpy(buf + head + 4 + len, c.digest, 16);
	fd = in_dir(f, "inventory.img", O_WRONLY | O_CREAT | O_TRUNC);
	assert_int_equal(write_all(fd, buf, head + 4 + len + 16), 0);
	close(fd);
	return try_open(f);
}

static void test_hostile_inventory(void **state)
{
	struct fix *f = *state;
	const char *const slash[] = { "../../etc/passwd" }, *const abs[] = { "/etc/passwd" };
	const char *const twice[] = { "a.img", "a.img" }, *const order[] = { "b.img", "a.img" };
	const char *const self[] = { "inventory.img" }, *const dots[] = { ".." }, *const none[] = { "" };
	const char *const gone[] = { "a.img" };

	assert_int_equal(hostile_inventory(f, NULL, 0, 16), 0);
	assert_int_equal(hostile_inventory(f, slash, 1, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, abs, 1, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, twice, 2, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, order, 2, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, self, 1, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, dots, 1, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, none, 1, 16), -EBADMSG);
	assert_int_equal(hostile_inventory(f, gone, 1, 0), -EBADMSG);
	assert_int_equal(hostile_inventory(f, gone, 1, 64), -EBADMSG);
	assert_int_equal(hostile_inventory(f, gone, 1, 16), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_round_trip),	  T(test_one_record),	     T(test_uncommitted),
		T(test_remove_committed), T(test_no_second_image),   T(test_two_writers),
		T(test_bad_names),	  T(test_missing),	     T(test_not_regular),
		T(test_truncated),	  T(test_bit_flips),	     T(test_longer),
		T(test_hostile_records),  T(test_hostile_inventory),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
