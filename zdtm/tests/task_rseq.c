/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread's rseq area and robust list are registered as before; its tid address is cleared at its end. */
#include "zdtm.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int go;

static void *thread(void *arg)
{
	while (!go)
		usleep(1000);
	return (void *)1;
}

int main(int argc, char **argv)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	void *head, *head2, *ret;
	size_t len, len2;
	pthread_t t;

	test_init(argc, argv);
	if (!__rseq_size)
		skip("this C library registers no rseq");
	if (syscall(SYS_get_robust_list, 0, &head, &len))
		pfail("get_robust_list");
	if (pthread_create(&t, NULL, thread, NULL))
		fail("pthread_create");
	test_daemon();
	test_waitsig();
	if (syscall(SYS_rseq, area, 32, 0, RSEQ_SIG) != -1 || errno != EBUSY)
		fail("rseq is not registered as it was");
	if (area->cpu_id > 1024)
		fail("rseq says cpu %u", area->cpu_id);
	if (syscall(SYS_get_robust_list, 0, &head2, &len2) || head != head2 || len != len2)
		fail("the robust list has changed");
	go = 1;
	if (pthread_join(t, &ret) || ret != (void *)1) /* hangs unless the tid address is cleared */
		fail("pthread_join");
	pass();
}
