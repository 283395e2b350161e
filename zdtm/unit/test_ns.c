/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ns/ipc.h"
#include "ns/timens.h"

struct map {
	IdMapEntry **v;
	size_t n;
};

static int parse(const char *text, struct map *m)
{
	char *copy = strdup(text);
	int err;

	*m = (struct map){ 0 };
	err = idmap_parse(copy, &m->v, &m->n);
	free(copy);
	return err;
}

static void done(struct map *m)
{
	for (size_t i = 0; i < m->n; i++)
		id_map_entry__free_unpacked(m->v[i], NULL);
	free(m->v);
}

static void idmap_good(void **state)
{
	struct map m;
	char *text;

	assert_int_equal(parse("         0     100000      65536\n         101  7 1\n", &m), 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.v[0]->lower, 100000);
	assert_int_equal(m.v[1]->count, 1);
	assert_int_equal(idmap_text(m.v, m.n, &text), 0);
	assert_string_equal(text, "0 100000 65536\n101 7 1\n");
	free(text);
	done(&m);
	assert_int_equal(parse("0 0 4294967295\n", &m), 0);
	assert_int_equal(m.v[0]->count, 4294967295U);
	done(&m);
	assert_int_equal(parse("", &m), 0);
	assert_int_equal(m.n, 0);
	done(&m);
}

static void idmap_hostile(void **state)
{
	static const char *const bad[] = { "0 0\n",    "0 0 0\n",	   "0 0 1 1\n",
					   "x 0 1\n",  "4294967295 0 2\n", "0 4294967295 2\n",
					   "-1 0 1\n", "0 0 99999999999\n" };
	struct map m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], &m), -EINVAL);
		done(&m);
	}
}

static void idmap_nested(void **state)
{
	struct map child, parent;

	assert_int_equal(parse("0 100000 1000\n65536 300000 65536\n", &parent), 0);
	assert_int_equal(parse("0 100005 10\n10 300000 65536\n", &child), 0);
	assert_int_equal(idmap_to_parent(child.v, child.n, parent.v, parent.n), 0);
	assert_int_equal(child.v[0]->lower, 5);
	assert_int_equal(child.v[1]->lower, 65536);
	done(&child);
	/* one id too many, and one that is not there */
	assert_int_equal(parse("0 100005 996\n", &child), 0);
	assert_int_equal(idmap_to_parent(child.v, child.n, parent.v, parent.n), -ERANGE);
	done(&child);
	assert_int_equal(parse("0 5 1\n", &child), 0);
	assert_int_equal(idmap_to_parent(child.v, child.n, parent.v, parent.n), -ERANGE);
	done(&child);
	done(&parent);
}

static int rows_of(const char *text, size_t n, int64_t **rows, size_t *n_rows)
{
	char *copy = strdup(text);
	int err = ipc_parse(copy, n, rows, n_rows);

	free(copy);
	return err;
}

static void sysvipc(void **state)
{
	int64_t *rows;
	size_t n;

	assert_int_equal(rows_of("       key      shmid perms                  size\n"
				 "1111111111          7  1600  18446744073709551615  a b\n"
				 "        -5     32770   600                     1\n",
				 4, &rows, &n),
			 0);
	assert_int_equal(n, 2);
	assert_int_equal(rows[1], 7);
	assert_int_equal((uint64_t)rows[3], UINT64_MAX);
	assert_int_equal(rows[4], -5);
	free(rows);
	assert_int_equal(rows_of("       key      shmid\n", 2, &rows, &n), 0);
	assert_int_equal(n, 0);
	free(rows);
	assert_int_equal(rows_of("", 2, &rows, &n), 0);
	assert_int_equal(n, 0);
	free(rows);
	assert_int_equal(rows_of("key id\n1\n", 2, &rows, &n), -EINVAL);
	assert_int_equal(rows_of("key id\n1 x\n", 2, &rows, &n), -EINVAL);
}

static void ipc_checks(void **state)
{
	IpcPermEntry perm = IPC_PERM_ENTRY__INIT;
	IpcShmEntry shm = IPC_SHM_ENTRY__INIT;
	IpcExtentEntry a = IPC_EXTENT_ENTRY__INIT, b = IPC_EXTENT_ENTRY__INIT, *list[] = { &a, &b };
	IpcSemEntry sem = IPC_SEM_ENTRY__INIT;
	MqueueEntry mq = MQUEUE_ENTRY__INIT;
	uint32_t values[] = { 0, 32767 };

	shm.perm = sem.perm = &perm;
	shm.size = 8192;
	shm.extents = list;
	shm.n_extents = 2;
	a.length = 4096;
	b.offset = 4096;
	b.length = 4096;
	assert_int_equal(ipc_shm_check(&shm), 0);
	b.length = 4097;
	assert_int_equal(ipc_shm_check(&shm), -EBADMSG);
	b.length = UINT64_MAX;
	assert_int_equal(ipc_shm_check(&shm), -EBADMSG);
	b.length = 1;
	b.offset = 4095;
	assert_int_equal(ipc_shm_check(&shm), -EBADMSG);
	sem.values = values;
	assert_int_equal(ipc_sem_check(&sem), -EBADMSG);
	sem.n_values = 2;
	assert_int_equal(ipc_sem_check(&sem), 0);
	values[1] = 32768;
	assert_int_equal(ipc_sem_check(&sem), -EBADMSG);
	perm.mode = 01777;
	values[1] = 1;
	assert_int_equal(ipc_sem_check(&sem), -EBADMSG);
	mq.maxmsg = mq.msgsize = 1;
	mq.name = (char *)"a";
	assert_int_equal(mqueue_check(&mq), 0);
	mq.name = (char *)"../a";
	assert_int_equal(mqueue_check(&mq), -EBADMSG);
}

static void timens(void **state)
{
	static const char *const bad[] = { "",
					   "monotonic 1 0\n",
					   "boottime 1 0\nmonotonic 1 0\n",
					   "monotonic 1 0\nboottime 1\n",
					   "monotonic 1 1000000000\nboottime 0 0\n",
					   "monotonic 1 -1\nboottime 0 0\n",
					   "monotonic 9223372036854775807 0\nboottime 0 0\n" };
	char good[] = "monotonic         -5         7\nboottime          3         0\n";
	struct timens_offsets o;

	assert_int_equal(timens_parse(good, &o), 0);
	assert_int_equal(o.monotonic, -4999999993LL);
	assert_int_equal(o.boottime, 3000000000LL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *copy = strdup(bad[i]);

		assert_int_equal(timens_parse(copy, &o), -EINVAL);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idmap_good), cmocka_unit_test(idmap_hostile), cmocka_unit_test(idmap_nested),
		cmocka_unit_test(sysvipc),    cmocka_unit_test(ipc_checks),    cmocka_unit_test(timens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
