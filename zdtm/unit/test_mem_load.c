/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading memory images: a sound one loads and has a hole; one wrong number anywhere is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mem/mm.h"
#include "zdtm/unit/image_dir.h"

#define N_AREAS 4
#define N_RUNS 2

struct fix {
	char dir[64];
	AreaEntry areas[N_AREAS], *area_ptrs[N_AREAS];
	RunEntry runs[N_RUNS], *run_ptrs[N_RUNS], shm_run, *shm_run_ptr;
	GuardEntry guard, *guard_ptr;
	MmEntry mm, second;
	ShmemEntry shmem;
	PagesEntry pages;
	uint64_t files[1];
	uint64_t file_size; /* of pages-1.img */
	uint8_t auxv[32];
	bool twice; /* two memories of one id */
	uint32_t task_mm;
};

static void area(struct fix *f, int i, uint64_t start, uint64_t end, AreaKind kind)
{
	area_entry__init(&f->areas[i]);
	f->areas[i].start = start;
	f->areas[i].end = end;
	f->areas[i].kind = kind;
	f->areas[i].prot = 3;
	f->area_ptrs[i] = &f->areas[i];
}

static void run_init(RunEntry *e, uint64_t start, uint64_t pages, uint64_t index)
{
	run_entry__init(e);
	e->start = start;
	e->pages = pages;
	e->index = index;
}

/* A sound image: anonymous, file, anonymous, shared; five pages. */
static void sound(struct fix *f)
{
	area(f, 0, 0x400000, 0x404000, AREA_KIND__ANON);
	area(f, 1, 0x404000, 0x406000, AREA_KIND__FILE);
	f->areas[1].has_object = true;
	f->areas[1].object = 1;
	area(f, 2, 0x500000, 0x501000, AREA_KIND__ANON);
	area(f, 3, 0x600000, 0x602000, AREA_KIND__SHMEM);
	f->areas[3].shared = f->areas[3].has_object = f->areas[3].has_offset = true;
	f->areas[3].object = 1;
	f->areas[3].offset = PAGE;
	run_init(&f->runs[0], 0x402000, 3, 0); /* over two areas */
	run_init(&f->runs[1], 0x500000, 1, 3);
	run_init(&f->shm_run, 2 * PAGE, 1, 4);
	guard_entry__init(&f->guard);
	f->guard.start = 0x401000;
	f->guard.pages = 1;
	for (int i = 0; i < N_RUNS; i++)
		f->run_ptrs[i] = &f->runs[i];
	f->guard_ptr = &f->guard;
	f->shm_run_ptr = &f->shm_run;
	mm_entry__init(&f->mm);
	f->mm.id = 7;
	f->mm.areas = f->area_ptrs;
	f->mm.n_areas = N_AREAS;
	f->mm.runs = f->run_ptrs;
	f->mm.n_runs = N_RUNS;
	f->mm.guards = &f->guard_ptr;
	f->mm.n_guards = 1;
	f->mm.auxv = (ProtobufCBinaryData){ sizeof(f->auxv), f->auxv };
	shmem_entry__init(&f->shmem);
	f->shmem.id = 1;
	f->shmem.size = 3 * PAGE;
	f->shmem.runs = &f->shm_run_ptr;
	f->shmem.n_runs = 1;
	pages_entry__init(&f->pages);
	f->pages.pages = f->files[0] = 5;
	f->pages.files = f->files;
	f->pages.n_files = 1;
	f->file_size = 5 * PAGE;
	f->twice = false;
	f->task_mm = 7;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	log_quiet(true);
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/ctcr-unit-mem-XXXXXX");
	return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	image_dir_clear(f->dir);
	free(f);
	return 0;
}

static void write_image(struct fix *f)
{
	const ProtobufCMessage *mms[2] = { &f->mm.base, &f->mm.base }, *shm = &f->shmem.base;
	struct image *img;
	int fd;

	image_dir_clear(f->dir);
	assert_int_equal(image_create(f->dir, &img), 0);
	fd = image_raw_create(img, "pages-1.img");
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)f->file_size), 0);
	close(fd);
	assert_int_equal(image_write(img, "mms", mms, f->twice ? 2 : 1), 0);
	assert_int_equal(image_write(img, "shmem", &shm, 1), 0);
	assert_int_equal(image_write_one(img, "pages", &f->pages.base), 0);
	assert_int_equal(image_commit(img), 0);
	image_free(img);
}

/* Write the image as it is now and load it. */
static int load(struct fix *f, struct restore *r)
{
	static TaskEntry task;
	static struct rtask rt;

	write_image(f);
	task_entry__init(&task);
	task.has_mm_id = true;
	task.mm_id = f->task_mm;
	rt.msg = &task;
	*r = (struct restore){ .tasks = &rt, .n_tasks = 1, .root_fd = -1 };
	assert_int_equal(image_open(f->dir, &r->img), 0);
	return mem_load(r);
}

static void unload(struct restore *r)
{
	mem_restore_done(r);
	image_free(r->img);
}

static void test_sound(void **state)
{
	struct fix *f = *state;
	struct restore r;
	uint64_t at;

	sound(f);
	assert_int_equal(load(f, &r), 0);
	assert_ptr_equal(mm_find(&r, 7)->msg, r.mms->mms[0]);
	assert_null(mm_find(&r, 8));
	assert_int_equal(mem_find_hole(&r, 1 << 20, &at), 0);
	assert_true(at >= 0x10000 && (at + (1 << 20) <= 0x400000 || at >= 0x602000));
	assert_int_equal(mem_find_hole(&r, TASK_TOP, &at), -ENOMEM);
	unload(&r);
}

/* Each row: a number of the sound image, and what it must not be. */
static void test_one_wrong(void **state)
{
	struct fix *f = *state;
	struct {
		uint64_t *at;
		uint64_t value;
	} wide[] = {
		{ &f->areas[0].start, 0 },
		{ &f->areas[0].start, 0x400800 },
		{ &f->areas[0].start, 0x404000 },
		{ &f->areas[0].end, 0x405000 },
		{ &f->areas[3].end, TASK_TOP + PAGE },
		{ &f->areas[3].end, UINT64_MAX - 4095 },
		{ &f->areas[1].start, 0x403000 },
		{ &f->areas[3].offset, 2 * PAGE },
		{ &f->areas[3].offset, 100 },
		{ &f->areas[3].offset, UINT64_MAX - 4095 },
		{ &f->runs[0].start, 0x402001 },
		{ &f->runs[0].start, 0x404000 },
		{ &f->runs[0].start, 0x600000 },
		{ &f->runs[0].pages, 0 },
		{ &f->runs[0].pages, 5 },
		{ &f->runs[0].pages, 1ULL << 52 },
		{ &f->runs[0].pages, UINT64_MAX },
		{ &f->runs[0].index, 3 },
		{ &f->runs[0].index, UINT64_MAX },
		{ &f->runs[1].start, 0x403000 },
		{ &f->runs[1].index, 5 },
		{ &f->shm_run.start, 3 * PAGE },
		{ &f->shm_run.pages, 2 },
		{ &f->shm_run.index, 5 },
		{ &f->guard.start, 0x406000 },
		{ &f->guard.start, UINT64_MAX - 4095 },
		{ &f->guard.pages, 0 },
		{ &f->guard.pages, UINT64_MAX },
		{ &f->shmem.size, 2 * PAGE },
		{ &f->shmem.size, 100 },
		{ &f->shmem.size, UINT64_MAX - 4095 },
		{ &f->pages.pages, 6 },
		{ &f->files[0], 6 },
		{ &f->files[0], UINT64_MAX / PAGE + 6 },
		{ &f->file_size, 4 * PAGE },
		{ &f->file_size, 5 * PAGE + 1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
		struct restore r;

		sound(f);
		*wide[i].at = wide[i].value;
		if (load(f, &r) != -EBADMSG)
			fail_msg("row %zu was accepted", i);
		unload(&r);
	}
}

static void test_other_wrong(void **state)
{
	struct fix *f = *state;

	for (int i = 0; i < 13; i++) {
		struct restore r;

		sound(f);
		switch (i) {
		case 0:
			f->areas[0].kind = 17;
			break;
		case 1:
			f->areas[0].kind = AREA_KIND__VDSO;
			break; /* without vdso.img */
		case 2:
			f->areas[0].shared = true;
			break;
		case 3:
			f->areas[0].prot = 8;
			break;
		case 4:
			f->areas[1].has_object = false;
			break;
		case 5:
			f->areas[3].object = 2;
			break;
		case 6:
			f->areas[3].object = 0;
			break;
		case 7:
			f->areas[3].shared = false;
			break;
		case 8:
			f->mm.auxv.len = 8;
			break;
		case 9:
			f->mm.auxv.len = 0;
			break;
		case 10:
			f->shmem.id = 2;
			break;
		case 11:
			f->twice = true;
			break;
		case 12:
			f->task_mm = 9;
			break;
		}
		if (load(f, &r) != -EBADMSG)
			fail_msg("case %d was accepted", i);
		unload(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
