/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading files.img, fds.img and ghosts.img: a sound image loads and is ordered, hostile ones are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <asm/termbits.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "file/table.h"
#include "image/image.h"
#include "proto/ghost.pb-c.h"
#include "zdtm/unit/image_dir.h"

enum { SLAVE, MASTER, EPOLL, REG, PIPE, WATCH, N_FILES };

struct fix {
	char dir[64];
	FileEntry files[N_FILES];
	TtyEntry slave, master;
	EpollEntry epoll;
	EpollTarget target, *targets;
	RegEntry reg;
	PipeEntry pipe;
	InotifyEntry inotify;
	InotifyWatch watches[2], *watch_ptrs[2];
	FdTableEntry table;
	FdEntry fds[3], *fd_ptrs[3];
	GhostEntry ghost;
	GhostExtent extents[2], *extent_ptrs[2];
	bool twice; /* two tables of one id */
};

static void entry(struct fix *f, int i, FileEntry__KindCase kind)
{
	file_entry__init(&f->files[i]);
	f->files[i].id = i + 1;
	f->files[i].task_id = 1;
	f->files[i].kind_case = kind;
}

static void sound_kinds(struct fix *f)
{
	tty_entry__init(&f->slave);
	f->slave.tty_id = 9;
	f->slave.kind = 2;
	f->slave.path = (char *)"/dev/pts/3";
	f->slave.index = 3;
	f->master = f->slave;
	f->master.kind = 1;
	f->master.path = (char *)"/dev/ptmx";
	epoll_target__init(&f->target);
	f->target.file_id = EPOLL + 1;
	f->targets = &f->target;
	epoll_entry__init(&f->epoll);
	f->epoll.n_targets = 1;
	f->epoll.targets = &f->targets;
	reg_entry__init(&f->reg);
	f->reg.path = (char *)"/tmp/x";
	f->reg.has_ghost_id = true;
	f->reg.ghost_id = 4;
	pipe_entry__init(&f->pipe);
	f->pipe.size = 65536;
	for (int i = 0; i < 2; i++) {
		inotify_watch__init(&f->watches[i]);
		f->watches[i].wd = 3 + i;
		f->watches[i].mask = 2;
		f->watches[i].path = (char *)"/etc";
		f->watch_ptrs[i] = &f->watches[i];
	}
	inotify_entry__init(&f->inotify);
	f->inotify.n_watches = 2;
	f->inotify.watches = f->watch_ptrs;
}

static void sound(struct fix *f)
{
	sound_kinds(f);
	entry(f, SLAVE, FILE_ENTRY__KIND_TTY);
	f->files[SLAVE].tty = &f->slave;
	entry(f, MASTER, FILE_ENTRY__KIND_TTY);
	f->files[MASTER].tty = &f->master;
	entry(f, EPOLL, FILE_ENTRY__KIND_EPOLL);
	f->files[EPOLL].epoll = &f->epoll;
	entry(f, REG, FILE_ENTRY__KIND_REG);
	f->files[REG].reg = &f->reg;
	entry(f, PIPE, FILE_ENTRY__KIND_PIPE);
	f->files[PIPE].pipe = &f->pipe;
	entry(f, WATCH, FILE_ENTRY__KIND_INOTIFY);
	f->files[WATCH].inotify = &f->inotify;
	fd_table_entry__init(&f->table);
	for (int i = 0; i < 3; i++) {
		fd_entry__init(&f->fds[i]);
		f->fds[i].fd = i * 10;
		f->fds[i].file_id = i + 1;
		f->fd_ptrs[i] = &f->fds[i];
	}
	f->table.id = 5;
	f->table.n_fds = 3;
	f->table.fds = f->fd_ptrs;
	ghost_entry__init(&f->ghost);
	f->ghost.id = 4;
	f->ghost.size = 100;
	for (int i = 0; i < 2; i++) {
		ghost_extent__init(&f->extents[i]);
		f->extents[i].offset = i * 50;
		f->extents[i].length = 20;
		f->extent_ptrs[i] = &f->extents[i];
	}
	f->ghost.n_extents = 2;
	f->ghost.extents = f->extent_ptrs;
	f->twice = false;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	log_quiet(true);
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/ctcr-unit-file-XXXXXX");
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
	const ProtobufCMessage *files[N_FILES], *tables[2] = { &f->table.base, &f->table.base };
	const ProtobufCMessage *ghost = &f->ghost.base;
	struct image *img;

	for (int i = 0; i < N_FILES; i++)
		files[i] = &f->files[i].base;
	image_dir_clear(f->dir);
	assert_int_equal(image_create(f->dir, &img), 0);
	assert_int_equal(image_write(img, "files", files, N_FILES), 0);
	assert_int_equal(image_write(img, "fds", tables, f->twice ? 2 : 1), 0);
	assert_int_equal(image_write(img, "ghosts", &ghost, 1), 0);
	assert_int_equal(image_commit(img), 0);
	image_free(img);
}

/* Write the image as it is now, load and plan it. */
static int load(struct fix *f, struct restore *r)
{
	static TaskEntry task;
	static struct rtask rt;
	int err;

	write_image(f);
	task_entry__init(&task);
	rt.msg = &task;
	*r = (struct restore){ .tasks = &rt, .n_tasks = 1, .root_fd = -1 };
	assert_int_equal(image_open(f->dir, &r->img), 0);
	err = files_load(r);
	return err < 0 ? err : files_plan(r);
}

static void unload(struct restore *r)
{
	files_restore_done(r);
	image_free(r->img);
}

static size_t place(const struct restore *r, int file)
{
	for (size_t i = 0; i < r->files->n_order; i++)
		if (r->files->order[i] == (uint32_t)file + 1)
			return i;
	return SIZE_MAX;
}

static void test_sound(void **state)
{
	struct restore r;

	sound(*state);
	assert_int_equal(load(*state, &r), 0);
	assert_int_equal(r.files->n_order, N_FILES);
	assert_true(place(&r, MASTER) < place(&r, SLAVE));
	assert_int_equal(files_top(&r, 5), 21);
	assert_int_equal(files_top(&r, 6), 0);
	assert_int_equal(files_entry(&r, 2)->kind_case, FILE_ENTRY__KIND_TTY);
	assert_null(files_entry(&r, 0));
	assert_null(files_entry(&r, N_FILES + 1));
	unload(&r);
}

static void test_wrong_numbers(void **state)
{
	struct fix *f = *state;
	struct {
		void *at;
		uint64_t value;
		bool wide;
	} rows[] = {
		{ &f->files[REG].id, 9, false },
		{ &f->files[REG].id, 1, false },
		{ &f->files[REG].id, 0, false },
		{ &f->files[PIPE].task_id, 0, false },
		{ &f->files[PIPE].task_id, 2, false },
		{ &f->files[PIPE].task_id, UINT32_MAX, false },
		{ &f->fds[0].fd, 10, false },
		{ &f->fds[1].fd, 0, false },
		{ &f->fds[2].fd, UINT32_MAX, false },
		{ &f->fds[2].fd, INT32_MAX, false },
		{ &f->fds[1].file_id, 0, false },
		{ &f->fds[1].file_id, N_FILES + 1, false },
		{ &f->target.file_id, 0, false },
		{ &f->target.file_id, N_FILES + 1, false },
		{ &f->reg.ghost_id, 5, false },
		{ &f->slave.tty_id, 0, false },
		{ &f->slave.index, UINT32_MAX, false },
		{ &f->pipe.size, UINT32_MAX, false },
		{ &f->watches[1].wd, 3, false },
		{ &f->watches[0].wd, 0, false },
		{ &f->watches[1].wd, INT32_MAX, false },
		{ &f->watches[0].mask, 0, false },
		{ &f->extents[1].offset, 10, true },
		{ &f->extents[1].offset, UINT64_MAX - 5, true },
		{ &f->extents[1].length, 51, true },
		{ &f->extents[1].length, UINT64_MAX - 40, true },
		{ &f->ghost.size, 60, true },
		{ &f->ghost.size, UINT64_MAX, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct restore r;

		sound(f);
		if (rows[i].wide)
			*(uint64_t *)rows[i].at = rows[i].value;
		else
			*(uint32_t *)rows[i].at = (uint32_t)rows[i].value;
		if (load(f, &r) != -EBADMSG)
			fail_msg("row %zu was accepted", i);
		unload(&r);
	}
}

static void test_other_wrong(void **state)
{
	struct fix *f = *state;
	TtyState odd = TTY_STATE__INIT;

	for (int i = 0; i < 6; i++) {
		struct restore r;
		int want = -EBADMSG;

		sound(f);
		switch (i) {
		case 0:
			f->twice = true;
			break;
		case 1:
			f->files[PIPE].kind_case = FILE_ENTRY__KIND__NOT_SET;
			want = -EOPNOTSUPP;
			break;
		case 2:
			f->reg.path = (char *)"relative";
			break;
		case 3:
			f->slave.path = (char *)"";
			break;
		case 4:
			f->watches[0].path = (char *)"x";
			break;
		case 5: /* termios of no length */
			f->master.state = &odd;
			break;
		}
		if (load(f, &r) != want)
			fail_msg("case %d was accepted", i);
		unload(&r);
	}
}

static void test_state(void **state)
{
	struct fix *f = *state;
	struct termios2 tio = { 0 };
	struct winsize ws = { 0 };
	TtyState s = TTY_STATE__INIT;
	struct restore r;

	sound(f);
	s.termios = binary_take(&tio, sizeof(tio));
	s.winsize = binary_take(&ws, sizeof(ws));
	f->master.state = &s;
	assert_int_equal(load(f, &r), 0);
	unload(&r);
}

static void test_circle(void **state)
{
	struct fix *f = *state;
	struct restore r;

	sound(f);
	assert_int_equal(load(f, &r), 0);
	r.files->n_order = 0;
	free(r.files->order);
	for (size_t i = 0; i < r.files->n; i++)
		r.files->objs[i].mark = 0;
	r.files->planning = MASTER + 1;
	assert_int_equal(file_dep(&r, SLAVE + 1), 0);
	assert_int_equal(file_dep(&r, N_FILES + 1), -EBADMSG);
	assert_int_equal(file_dep(&r, 0), -EBADMSG);
	assert_int_equal(files_plan(&r), -ELOOP);
	unload(&r);
}

static void test_extents(void **state)
{
	const uint64_t good[] = { 0, 10, 10, 5, 90, 10 }, over[] = { 0, 10, 9, 5 }, end[] = { 95, 6 };

	assert_int_equal(data_check(good, 6, 100), 0);
	assert_int_equal(data_check(NULL, 0, 0), 0);
	assert_int_equal(data_check(good, 5, 100), -EBADMSG);
	assert_int_equal(data_check(over, 4, 100), -EBADMSG);
	assert_int_equal(data_check(end, 2, 100), -EBADMSG);
	assert_int_equal(data_check(good, 6, UINT64_MAX), -EBADMSG);
}

static void test_kept(void **state)
{
	struct restore r;
	int fd = open("/dev/null", O_RDONLY);

	sound(*state);
	assert_int_equal(load(*state, &r), 0);
	assert_int_equal(file_kept(&r, keep_key(KEEP_PIPE, 1)), -ENOENT);
	assert_int_equal(file_keep(&r, keep_key(KEEP_PIPE, 1), fd), 0);
	assert_int_equal(file_kept(&r, keep_key(KEEP_MEMFD, 1)), -ENOENT);
	assert_int_equal(file_kept(&r, keep_key(KEEP_PIPE, 1)), fd);
	assert_int_equal(file_unkeep(&r, keep_key(KEEP_PIPE, 1)), fd);
	assert_int_equal(file_unkeep(&r, keep_key(KEEP_PIPE, 1)), -ENOENT);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
	unload(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
		cmocka_unit_test(test_extents),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
