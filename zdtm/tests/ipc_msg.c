/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* System V message queues: id, key, limit, messages with types, order and lengths (none too). */
#include "zdtm.h"

#include <string.h>
#include <sys/msg.h>

struct message {
	long type;
	char text[2000];
};

int main(int argc, char **argv)
{
	static const struct {
		long type;
		size_t len;
	} rows[] = { { 5, 2000 }, { 3, 1 }, { 1L << 40, 0 }, { 5, 77 } };
	struct message m;
	struct msqid_ds ds;
	int gone, id;

	test_init(argc, argv);
	gone = msgget(0x7001, IPC_CREAT | IPC_EXCL | 0600);
	id = msgget(0x7002, IPC_CREAT | IPC_EXCL | 0642);
	if (gone < 0 || id < 0 || msgctl(gone, IPC_RMID, NULL))
		pfail("msgget");
	for (int i = 0; i < 4; i++) {
		m.type = rows[i].type;
		pattern_fill(m.text, rows[i].len, i);
		if (msgsnd(id, &m, rows[i].len, 0))
			pfail("msgsnd");
	}
	if (msgctl(id, IPC_STAT, &ds))
		pfail("stat");
	ds.msg_qbytes = 1000; /* less than is in it */
	if (msgctl(id, IPC_SET, &ds))
		pfail("set");
	test_daemon();
	test_waitsig();
	if (msgget(0x7002, 0) != id || msgctl(id, IPC_STAT, &ds) || (ds.msg_perm.mode & 0777) != 0642)
		fail("id or mode");
	if (ds.msg_qnum != 4 || ds.msg_qbytes != 1000)
		fail("%lu messages, limit %lu", ds.msg_qnum, ds.msg_qbytes);
	for (int i = 0; i < 4; i++) {
		ssize_t n = msgrcv(id, &m, sizeof(m.text), 0, IPC_NOWAIT);

		if (n != (ssize_t)rows[i].len || m.type != rows[i].type || pattern_check(m.text, n, i) >= 0)
			fail("message %d: length %zd, type %ld", i, n, m.type);
	}
	msgctl(id, IPC_RMID, NULL);
	pass();
}
