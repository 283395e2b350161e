/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modes: host ns userns twice */
/*
 * Open message queues: access modes, O_NONBLOCK, one description shared with a child, a child that waits for
 * a message, messages by priority.
 */
#include "zdtm.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 50 };
	char name[64], quiet[64], buf[50];
	unsigned int prio;
	mqd_t q, nb, wo;
	pid_t pid;

	test_init(argc, argv);
	snprintf(name, sizeof(name), "/zdtm-fd-%d", getpid());
	snprintf(quiet, sizeof(quiet), "/zdtm-quiet-%d", getpid());
	q = mq_open(quiet, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	nb = mq_open(name, O_CREAT | O_EXCL | O_RDONLY | O_NONBLOCK, 0600, &attr);
	wo = mq_open(name, O_WRONLY);
	if (q < 0 || nb < 0 || wo < 0)
		pfail("mq_open");
	if (mq_send(wo, "one", 3, 1) || mq_send(wo, "two", 3, 2))
		pfail("mq_send");
	pid = fork();
	if (!pid) {
		ssize_t n = mq_receive(q, buf, sizeof(buf), &prio);

		_exit(n == 4 && prio == 3 && !memcmp(buf, "wake", 4) ? 0 : 1);
	}
	test_daemon();
	test_waitsig();
	if (mq_getattr(q, &attr) || attr.mq_flags || mq_getattr(nb, &attr) || attr.mq_flags != O_NONBLOCK)
		fail("flags");
	if ((fcntl(wo, F_GETFL) & O_ACCMODE) != O_WRONLY || (fcntl(nb, F_GETFL) & O_ACCMODE) != O_RDONLY)
		fail("access modes");
	if (mq_receive(nb, buf, sizeof(buf), &prio) != 3 || prio != 2 || memcmp(buf, "two", 3))
		fail("first message");
	if (mq_receive(nb, buf, sizeof(buf), &prio) != 3 || prio != 1 || memcmp(buf, "one", 3))
		fail("second message");
	if (mq_receive(nb, buf, sizeof(buf), &prio) >= 0 || errno != EAGAIN)
		fail("a third message");
	if (mq_send(q, "wake", 4, 3))
		pfail("mq_send");
	wait_child(pid);
	mq_unlink(name);
	mq_unlink(quiet);
	pass();
}
