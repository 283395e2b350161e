/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as JSON; and random bytes as every message there is: refused or printed, never worse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "image/image.h"
#include "proto/file.pb-c.h"
#include "proto/task.pb-c.h"

static char *json(const ProtobufCMessage *msg)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	image_json(msg, 0, out);
	fclose(out);
	return text;
}

static void expect(const ProtobufCMessage *msg, const char *want)
{
	_cleanup_free_ char *text = json(msg);

	assert_string_equal(text, want);
}

static void test_values(void **state)
{
	FdEntry fd = FD_ENTRY__INIT, *list[] = { &fd, &fd };
	FdTableEntry table = FD_TABLE_ENTRY__INIT;
	SiginfoEntry info = SIGINFO_ENTRY__INIT;
	PosixTimerEntry timer = POSIX_TIMER_ENTRY__INIT;

	table.id = 4294967295;
	expect(&table.base, "{\n  \"id\": 4294967295\n}");
	table.fds = list;
	table.n_fds = 2;
	fd.cloexec = 1;
	expect(&table.base,
	       "{\n  \"id\": 4294967295,\n  \"fds\": [\n"
	       "    {\n      \"fd\": 0,\n      \"file_id\": 0,\n      \"cloexec\": true\n    },\n"
	       "    {\n      \"fd\": 0,\n      \"file_id\": 0,\n      \"cloexec\": true\n    }]\n}");
	info.info.data = (uint8_t[]){ 0, 171, 255 };
	info.info.len = 3;
	expect(&info.base, "{\n  \"info\": \"00abff\"\n}");
	timer.id = -1;
	timer.value_ns = UINT64_MAX;
	expect(&timer.base,
	       "{\n  \"id\": -1,\n  \"clockid\": 0,\n  \"notify\": 0,\n  \"signo\": 0,\n  \"sigval\": 0,\n"
	       "  \"interval_ns\": 0,\n  \"value_ns\": 18446744073709551615,\n  \"overrun\": 0\n}");
}

static void test_strings(void **state)
{
	static const char *const in[] = { "/a b", "\"\\\n\x7f", "\xc3\xa9\xf0\x9f\x98\x80",
					  "\xff\xc3(\xc0\x80\xed\xa0\x80\xe2\x82" };
	static const char *const out[] = {
		"/a b", "\\\"\\\\\\u000a\\u007f", "\xc3\xa9\xf0\x9f\x98\x80",
		"\\u00ff\\u00c3(\\u00c0\\u0080\\u00ed\\u00a0\\u0080\\u00e2\\u0082"
	};
	FsEntry fs = FS_ENTRY__INIT;

	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		_cleanup_free_ char *text = NULL;
		char want[256];

		fs.cwd = (char *)(uintptr_t)in[i];
		text = json(&fs.base);
		snprintf(want, sizeof(want), "\"cwd\": \"%s\",", out[i]);
		assert_non_null(strstr(text, want));
	}
}

/* Deterministic: xorshift. */
static uint32_t next(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void test_random(void **state)
{
	FILE *null = fopen("/dev/null", "w");
	uint32_t x = 2463534242;
	size_t parsed = 0;

	assert_non_null(null);
	for (size_t d = 0; image_descriptors[d]; d++) {
		for (int round = 0; round < 300; round++) {
			uint8_t buf[96];
			size_t len = next(&x) % sizeof(buf);
			ProtobufCMessage *msg;

			for (size_t i = 0; i < len; i++) /* small numbers make fields and lengths that fit */
				buf[i] = next(&x) % (round % 2 ? 256 : 40);
			msg = protobuf_c_message_unpack(image_descriptors[d], NULL, len, buf);
			if (!msg)
				continue;
			parsed++;
			image_json(msg, 0, null);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
	}
	fclose(null);
	assert_true(parsed > 0);
}

static void test_types(void **state)
{
	assert_ptr_equal(image_type("FileEntry"), &file_entry__descriptor);
	assert_null(image_type("NoSuchEntry"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
