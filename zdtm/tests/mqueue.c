/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: ns userns running twice */
/* A POSIX message queue nobody has open: mode, attributes, messages by priority, and an empty one. */
#include "zdtm.h"

#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *text;
		unsigned int prio;
	} sent[] = { { "low 1", 1 }, { "high", 31000 }, { "low 2", 1 }, { "", 7 } },
	  want[] = { { "high", 31000 }, { "", 7 }, { "low 1", 1 }, { "low 2", 1 } };
	struct mq_attr attr = { .mq_maxmsg = 6, .mq_msgsize = 100 };
	unsigned int prio;
	char buf[100];
	struct stat st;
	mqd_t q;

	test_init(argc, argv);
	umask(0);
	q = mq_open("/zdtm", O_CREAT | O_EXCL | O_RDWR, 0624, &attr);
	if (q < 0)
		pfail("mq_open");
	for (int i = 0; i < 4; i++)
		if (mq_send(q, sent[i].text, strlen(sent[i].text), sent[i].prio))
			pfail("mq_send");
	mq_close(q);
	q = mq_open("/zdtm.empty", O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	if (q < 0)
		pfail("mq_open");
	mq_close(q);
	test_daemon();
	test_waitsig();
	q = mq_open("/zdtm", O_RDWR | O_NONBLOCK);
	if (q < 0)
		pfail("mq_open again");
	if (mq_getattr(q, &attr) || fstat(q, &st))
		pfail("attributes");
	if (attr.mq_maxmsg != 6 || attr.mq_msgsize != 100 || attr.mq_curmsgs != 4 || (st.st_mode & 0777) != 0624)
		fail("%ld messages of %ld, size %ld, mode %o", attr.mq_curmsgs, attr.mq_maxmsg, attr.mq_msgsize, st.st_mode);
	for (int i = 0; i < 4; i++) {
		ssize_t n = mq_receive(q, buf, sizeof(buf), &prio);

		if (n != (ssize_t)strlen(want[i].text) || prio != want[i].prio || memcmp(buf, want[i].text, n))
			fail("message %d: length %zd, priority %u", i, n, prio);
	}
	if (mq_unlink("/zdtm") || mq_unlink("/zdtm.empty"))
		pfail("mq_unlink");
	pass();
}
