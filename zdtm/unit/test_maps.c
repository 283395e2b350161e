/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of /proc/PID/smaps: what the kernel writes, and what nobody should. The vdso's parsing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "base/io.h"
#include "mem/mm.h"

static int parse(const char *text, struct vma_list *l)
{
	char *copy = strdup(text);
	int ret;

	assert_non_null(copy);
	ret = vmas_parse(copy, l);
	free(copy);
	return ret;
}

static const char good[] =
	"559b885cc000-559b885ed000 rw-p 00000000 00:00 0                          [heap]\n"
	"Size:                132 kB\n"
	"ProtectionKey:         3\n"
	"VmFlags: rd wr mr mw me ac dd \n"
	"7f3339537000-7f3339538000 r--s 0000f000 fe:11 332383                     /usr/lib/a b.so (deleted)\n"
	"VmFlags: rd mr me sd lo\n"
	"7f3339538000-7f3339539000 ---p 00000000 00:00 0 \n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static void test_good(void **state)
{
	struct vma_list l = { 0 };

	assert_int_equal(parse(good, &l), 0);
	assert_int_equal(l.n, 4);
	assert_int_equal(l.v[0].start, 0x559b885cc000);
	assert_int_equal(l.v[0].end, 0x559b885ed000);
	assert_int_equal(l.v[0].prot, PROT_READ | PROT_WRITE);
	assert_int_equal(l.v[0].flags, VF_ACCOUNT | VF_DONTDUMP | VF_MAYWRITE);
	assert_int_equal(l.v[0].pkey, 3);
	assert_string_equal(l.v[0].name, "[heap]");
	assert_true(l.v[1].shared);
	assert_int_equal(l.v[1].offset, 0xf000);
	assert_int_equal(l.v[1].major, 0xfe);
	assert_int_equal(l.v[1].minor, 0x11);
	assert_int_equal(l.v[1].ino, 332383);
	assert_int_equal(l.v[1].flags, VF_LOCKED);
	assert_string_equal(l.v[1].name, "/usr/lib/a b.so (deleted)");
	assert_string_equal(l.v[2].name, "");
	assert_int_equal(l.v[2].prot, PROT_NONE);
	vmas_done(&l);
}

static void test_empty(void **state)
{
	struct vma_list l = { 0 };

	assert_int_equal(parse("", &l), 0);
	assert_int_equal(l.n, 0);
	vmas_done(&l);
}

static void test_hostile(void **state)
{
	static const char *const texts[] = {
		"VmFlags: rd\n", /* before any area */
		"hello\n",
		"1000-2000\n",
		"1000-2000 rw-p\n",
		"1000-2000 rwxq 00000000 00:00 0 \n",
		"1000-2000 rw-p 00000000 00:00 \n",
		"1000-2000 rw-p 00000000 00:00 x \n",
		"1000-2000 rw-p 00000000 00:00 1x /a\n",
		"1000-2000 rw-p 00000800 00:00 0 \n",
		"1000-1000 rw-p 00000000 00:00 0 \n",
		"2000-1000 rw-p 00000000 00:00 0 \n",
		"1001-2000 rw-p 00000000 00:00 0 \n",
		"-1000-2000 rw-p 00000000 00:00 0 \n",
		"11111111111111111111-2000 rw-p 00000000 00:00 0 \n",
		"1000-2000 rw-p 00000000 ffffffffff:00 0 \n",
		"1000-3000 rw-p 00000000 00:00 0 \n2000-4000 rw-p 00000000 00:00 0 \n",
		"1000-2000 rw-p 00000000 00:00 0 \nProtectionKey: x\n",
		"1000-2000 rw-p 00000000 00:00 99999999999999999999 /a\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct vma_list l = { 0 };

		if (parse(texts[i], &l) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_null(l.v);
	}
}

/* Cut anywhere, the text must never be read beyond its end, and never give an area twice. */
static void test_truncated(void **state)
{
	for (size_t n = 0; n < sizeof(good); n++) {
		struct vma_list l = { 0 };
		char *copy = strndup(good, n);

		assert_non_null(copy);
		if (vmas_parse(copy, &l) == 0)
			assert_true(l.n <= 4);
		free(copy);
		vmas_done(&l);
	}
}

static enum vma_class classify(const char *name, uint32_t major, uint64_t ino, bool shared, uint32_t flags)
{
	struct vma v = { .start = PAGE,
			 .end = 2 * PAGE,
			 .name = (char *)name,
			 .major = major,
			 .ino = ino,
			 .shared = shared,
			 .flags = flags };
	const char *why = NULL;
	enum vma_class c = vma_classify(&v, &why);

	assert_true((c == VMA_REFUSED) == (why != NULL));
	return c;
}

static void test_classify(void **state)
{
	assert_int_equal(classify("", 0, 0, false, 0), VMA_ANON);
	assert_int_equal(classify("[stack]", 0, 0, false, VF_GROWSDOWN), VMA_ANON);
	assert_int_equal(classify("[anon:x]", 0, 0, false, 0), VMA_ANON);
	assert_int_equal(classify("[vdso]", 0, 0, false, 0), VMA_VDSO);
	assert_int_equal(classify("[vvar]", 0, 0, false, VF_IO), VMA_VDSO);
	assert_int_equal(classify("[vsyscall]", 0, 0, false, 0), VMA_SKIP);
	assert_int_equal(classify("/dev/zero (deleted)", 0, 7, true, 0), VMA_SHMEM);
	assert_int_equal(classify("/dev/zero", 0, 7, false, 0), VMA_FILE);
	assert_int_equal(classify("/SYSV0000beef (deleted)", 0, 7, true, 0), VMA_SYSV);
	assert_int_equal(classify("/SYSV0000beef", 0, 7, true, 0), VMA_FILE);
	assert_int_equal(classify("/SYSV0000beef (deleted)", 8, 7, true, 0), VMA_FILE);
	assert_int_equal(classify("/memfd:x (deleted)", 0, 7, true, 0), VMA_FILE);
	assert_int_equal(classify("/bin/true", 8, 7, false, 0), VMA_FILE);
	assert_int_equal(classify("/dev/mem", 0, 7, true, VF_IO), VMA_REFUSED);
	assert_int_equal(classify("/anon_hugepage (deleted)", 0, 7, true, VF_HUGETLB), VMA_REFUSED);
	assert_int_equal(classify("/secretmem (deleted)", 0, 7, true, 0), VMA_REFUSED);
	assert_int_equal(classify("/[aio] (deleted)", 0, 7, true, 0), VMA_REFUSED);
	assert_int_equal(classify("anon_inode:[io_uring]", 0, 7, true, 0), VMA_REFUSED);
	assert_int_equal(classify("[uprobes]", 0, 0, false, 0), VMA_REFUSED);
	assert_int_equal(classify("", 0, 0, false, VF_UFFD), VMA_REFUSED);
}

static void test_own(void **state)
{
	struct vma_list l = { 0 };
	bool found = false;
	char *text;

	assert_int_equal(read_text_at(AT_FDCWD, "/proc/self/smaps", &text), 0);
	assert_int_equal(vmas_parse(text, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		if (streq(l.v[i].name, "[stack]"))
			found = l.v[i].flags & VF_GROWSDOWN && (uintptr_t)&l >= l.v[i].start &&
				(uintptr_t)&l < l.v[i].end;
	assert_true(found);
	free(text);
	vmas_done(&l);
}

static void test_vdso(void **state)
{
	VdsoEntry *a, *b;
	uint64_t g;

	assert_int_equal(vdso_read(&a), 0);
	assert_int_equal(vdso_read(&b), 0);
	assert_true(vdso_compatible(a, b));
	g = vdso_gadget(a);
	assert_true(g > 0 && g + 3 < a->elf.len);
	assert_memory_equal(a->elf.data + g, "\x0f\x05", 2);
	for (size_t i = 0; i < a->elf.len; i++) { /* damaged anywhere: no crash */
		a->elf.data[i] ^= 0xff;
		vdso_compatible(a, b);
		vdso_gadget(a);
		a->elf.data[i] ^= 0xff;
	}
	a->parts[0]->size += PAGE;
	assert_false(vdso_compatible(a, b));
	a->elf.len = 10;
	assert_false(vdso_compatible(a, b));
	vdso_entry__free_unpacked(a, NULL);
	vdso_entry__free_unpacked(b, NULL);
}

/* A copy of our own vdso that jumps to the real one gives the same answers. */
static void test_vdso_patch(void **state)
{
	int (*gettime)(clockid_t, struct timespec *);
	uintptr_t code = getauxval(AT_SYSINFO_EHDR);
	struct timespec a, b;
	const Elf64_Sym *sym;
	uint8_t *copy;
	VdsoEntry *v;

	assert_int_equal(vdso_read(&v), 0);
	copy = mmap(NULL, v->elf.len, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(copy, MAP_FAILED);
	memcpy(copy, v->elf.data, v->elf.len);
	assert_int_equal(vdso_patch(v, v, code, copy), 0);
	sym = vdso_function(v, "__vdso_clock_gettime");
	assert_non_null(sym);
	assert_memory_not_equal(copy + sym->st_value, v->elf.data + sym->st_value, 13);
	gettime = (int (*)(clockid_t, struct timespec *))(uintptr_t)(copy + sym->st_value);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	assert_int_equal(gettime(CLOCK_MONOTONIC, &b), 0);
	assert_true(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
	munmap(copy, v->elf.len);
	vdso_entry__free_unpacked(v, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	 cmocka_unit_test(test_empty),
		cmocka_unit_test(test_hostile),	 cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_classify), cmocka_unit_test(test_own),
		cmocka_unit_test(test_vdso),	 cmocka_unit_test(test_vdso_patch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
