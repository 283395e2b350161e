/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on many files by a few threads. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "image/internal.h"

#define MAX_THREADS 4

struct work {
	struct image *img;
	int (*job)(struct image *img, size_t i);
	size_t n;
	atomic_size_t next;
	atomic_int err; /* the first one */
};

static void *work_run(void *arg)
{
	struct work *w = arg;
	int none = 0;

	while (!atomic_load(&w->err)) {
		size_t i = atomic_fetch_add(&w->next, 1);
		int err = i < w->n ? w->job(w->img, i) : 0;

		if (err < 0)
			atomic_compare_exchange_strong(&w->err, &none, err);
		if (i >= w->n)
			break;
	}
	return NULL;
}

/* Our caller may have pinned itself to one CPU. */
static void *work_thread(void *arg)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	return work_run(arg);
}

int image_each(struct image *img, size_t n, int (*job)(struct image *img, size_t i))
{
	struct work w = { .img = img, .job = job, .n = n };
	pthread_t threads[MAX_THREADS];
	size_t n_threads = 0, want = MIN((size_t)MAX_THREADS, n);

	while (n_threads + 1 < want && pthread_create(&threads[n_threads], NULL, work_thread, &w) == 0)
		n_threads++;
	work_run(&w);
	for (size_t i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&w.err);
}
