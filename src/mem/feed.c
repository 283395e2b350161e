/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem/feed.h"

#include <pthread.h>
#include <sched.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"

#define PIECES 1024 /* of one call: UIO_MAXIOV */
#define CHUNK ((4UL << 20) / PAGE) /* largest piece */
#define BATCH ((32UL << 20) / PAGE) /* what the hand takes at once */
#define BUFFER (512UL << 10)
#define MUCH ((32UL << 20) / PAGE) /* worth a second thread */

struct piece {
	uint64_t addr, pages, index;
};

struct feed {
	const struct rtask *t;
	const struct mm_store *s;
	int *fds; /* of the page files, in the task */
	struct piece *pieces;
	size_t n;
	uint64_t pages;
	/* while running */
	pthread_mutex_t lock;
	size_t front, back; /* pieces [front, back) are still to do */
	int err; /* of the thread */
	uint64_t err_addr;
};

/* The file that holds page @index, and where. */
static size_t locate(const struct mm_store *s, uint64_t index, uint64_t *ret_offset, uint64_t *ret_left)
{
	size_t k = 0;

	while (index >= s->pages->files[k])
		index -= s->pages->files[k++];
	*ret_offset = index * PAGE;
	*ret_left = s->pages->files[k] - index;
	return k;
}

struct feed *feed_new(struct restore *r, const struct rtask *t)
{
	struct feed *f = calloc(1, sizeof(*f));
	int *fds = calloc(r->mms->pages->n_files + 1, sizeof(int));
	int ret = f && fds ? 0 : -ENOMEM;

	if (ret >= 0 && r->mms->pages->n_files)
		ret = remote_give_fds(t->hand, r->mms->page_fds, r->mms->pages->n_files, fds);
	if (ret < 0) {
		log_errno(ret, "pid %d: cannot give it the page files", t->msg->pid);
		free(f);
		free(fds);
		return NULL;
	}
	*f = (struct feed){ .t = t, .s = r->mms, .fds = fds };
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

int feed_add(struct feed *f, uint64_t addr, uint64_t pages, uint64_t index)
{
	f->pages += pages;
	while (pages) {
		uint64_t offset, left, take;

		locate(f->s, index, &offset, &left);
		take = MIN(MIN(pages, left), CHUNK);
		if (!GROW(f->pieces, f->n))
			return log_oom();
		f->pieces[f->n++] = (struct piece){ addr, take, index };
		addr += take * PAGE;
		pages -= take;
		index += take;
	}
	return 0;
}

/* ---- the hand's side ---- */

/* Take pieces off the front: [*ret_from, returned end). */
static size_t take_front(struct feed *f, size_t *ret_from)
{
	uint64_t pages = 0;
	size_t end;

	pthread_mutex_lock(&f->lock);
	*ret_from = end = f->front;
	while (end < f->back && !f->err && pages < BATCH && end - *ret_from < PIECES)
		pages += f->pieces[end++].pages;
	f->front = end;
	pthread_mutex_unlock(&f->lock);
	return end;
}

/* How many pieces from @i on lie one after the other in one page file. */
static size_t sequence(const struct feed *f, size_t i, size_t end, uint64_t *ret_pages)
{
	uint64_t offset, left, pages = f->pieces[i].pages;
	size_t n = 1;

	locate(f->s, f->pieces[i].index, &offset, &left);
	for (; i + n < end && f->pieces[i + n].index == f->pieces[i].index + pages && pages < left; n++)
		pages += f->pieces[i + n].pages;
	*ret_pages = pages;
	return n;
}

/* One preadv of @n pieces; the call. */
static const struct remote_call *queue_read(struct feed *f, size_t i, size_t n)
{
	struct remote *h = f->t->hand;
	struct iovec *iov = remote_alloc(h, n * sizeof(*iov));
	uint64_t offset, left;
	size_t file = locate(f->s, f->pieces[i].index, &offset, &left);

	for (size_t k = 0; k < n; k++)
		iov[k] = (struct iovec){ (void *)(uintptr_t)f->pieces[i + k].addr,
					 f->pieces[i + k].pages * PAGE };
	return remote_call(h, SYS_preadv, f->fds[file], remote_addr(h, iov), n, offset, 0);
}

struct op {
	const struct remote_call *call;
	uint64_t bytes;
};

static int run_ops(struct feed *f, const struct op *ops, size_t n)
{
	int ret = remote_run(f->t->hand);

	if (ret < 0)
		return mm_batch_error(f->t, ret, "cannot fill its memory");
	for (size_t i = 0; i < n; i++)
		if ((uint64_t)ops[i].call->ret != ops[i].bytes)
			return log_errno(-EIO,
					 "pid %d: cannot fill its memory at page %lx: read %ld of %lu bytes",
					 f->t->msg->pid, (long)ops[i].call->args[1], (long)ops[i].call->ret,
					 ops[i].bytes);
	return 0;
}

/* The hand reads pieces [i, end). */
static int read_batch(struct feed *f, size_t i, size_t end)
{
	struct op ops[SLOT_CALLS];
	size_t n_ops = 0;

	while (i < end) {
		uint64_t pages;
		size_t n = sequence(f, i, end, &pages);

		if (n_ops && (n_ops == SLOT_CALLS - 1 || remote_calls_left(f->t->hand) < 2 ||
			      remote_room(f->t->hand) < n * sizeof(struct iovec) + 64)) {
			int ret = run_ops(f, ops, n_ops);

			if (ret < 0)
				return ret;
			n_ops = 0;
		}
		ops[n_ops].bytes = pages * PAGE;
		ops[n_ops++].call = queue_read(f, i, n);
		i += n;
	}
	return n_ops ? run_ops(f, ops, n_ops) : 0;
}

/* ---- the thread's side ---- */

static bool take_back(struct feed *f, struct piece *ret)
{
	bool any;

	pthread_mutex_lock(&f->lock);
	any = f->back > f->front && !f->err;
	if (any)
		*ret = f->pieces[--f->back];
	pthread_mutex_unlock(&f->lock);
	return any;
}

static int put_piece(struct feed *f, const struct piece *p, char *buf)
{
	uint64_t offset, left, size = p->pages * PAGE;
	int fd = f->s->page_fds[locate(f->s, p->index, &offset, &left)];

	for (uint64_t at = 0; at < size; at += BUFFER) {
		size_t n = MIN(BUFFER, size - at);
		struct iovec local = { buf, n }, remote = { (void *)(uintptr_t)(p->addr + at), n };
		ssize_t put;
		int ret = pread_all(fd, buf, n, (off_t)(offset + at));

		if (ret < 0)
			return ret;
		put = process_vm_writev(f->t->pid, &local, 1, &remote, 1, 0);
		if (put != (ssize_t)n)
			return put < 0 ? -errno : -EFAULT;
	}
	return 0;
}

static void *feeder_main(void *arg)
{
	struct feed *f = arg;
	char *buf = aligned_alloc(PAGE, BUFFER);
	struct piece p = { 0 };
	int err = buf ? 0 : -ENOMEM;
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all); /* we may be bound to the hand's processor */
	while (!err && take_back(f, &p))
		err = put_piece(f, &p, buf);
	if (err) {
		pthread_mutex_lock(&f->lock);
		f->err = err;
		f->err_addr = p.addr;
		pthread_mutex_unlock(&f->lock);
	}
	free(buf);
	return NULL;
}

static int feed_front(struct feed *f)
{
	size_t from, end;
	int ret = 0;

	while (ret >= 0 && (end = take_front(f, &from)) > from)
		ret = read_batch(f, from, end);
	if (ret < 0) { /* let the thread stop */
		pthread_mutex_lock(&f->lock);
		f->back = f->front;
		pthread_mutex_unlock(&f->lock);
	}
	return ret;
}

int feed_run(struct feed *f)
{
	bool two = f->pages >= MUCH && sysconf(_SC_NPROCESSORS_ONLN) > 1;
	pthread_t thread;
	int ret;

	f->front = 0;
	f->back = f->n;
	if (two && pthread_create(&thread, NULL, feeder_main, f) != 0)
		two = false;
	ret = feed_front(f);
	if (two)
		pthread_join(thread, NULL);
	if (ret >= 0 && f->err)
		ret = log_errno(f->err, "pid %d: cannot fill its memory at %lx", f->t->msg->pid, f->err_addr);
	f->n = 0;
	f->pages = 0;
	free(f->pieces);
	f->pieces = NULL;
	return ret;
}

int feed_end(struct feed *f)
{
	const struct rtask *t = f->t;
	int ret = 0;

	for (size_t i = 0; i < f->s->pages->n_files; i++)
		remote_call(t->hand, SYS_close, f->fds[i]);
	if (f->s->pages->n_files)
		ret = remote_run(t->hand);
	pthread_mutex_destroy(&f->lock);
	free(f->pieces);
	free(f->fds);
	free(f);
	return ret < 0 ? mm_batch_error(t, ret, "cannot close the page files") : 0;
}
