/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page contents into the page files: two threads, each its own file, each a buffer that stays in the
 * processor's cache: process_vm_readv(2) gathers up to 1,024 pieces at once, one write follows,
 * and the sum for the inventory.
 * Shared memory and what must come through /proc/PID/mem is read piece by piece.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/uio.h>
#include <xxhash.h>

#include "base/io.h"
#include "base/log.h"
#include "image/image.h"
#include "mem/mm.h"

#define BUFFER (512 << 10)
#define FLUSH (16UL << 20)
#define PIECES 1024
#define MAX_COPIERS 2
#define SMALL (16UL << 20) /* less than this is not worth a second thread, in bytes */

struct copier {
	const struct mem_table *tab;
	uint64_t first, end; /* page indices */
	int fd; /* page file */
	size_t number; /* of the thread; the last one is the caller's, 0 */
	char *buf;
	XXH3_state_t *sum; /* of all that was written */
	int err;
	bool reading; /* failed in reading memory */
	pid_t err_pid;
	uint64_t err_addr;
	pthread_t thread;
};

/* The source that holds page @index. */
static size_t source_at(const struct mem_table *tab, uint64_t index)
{
	size_t lo = 0, hi = tab->n_sources;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;

		if (tab->sources[mid].index <= index)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static int fail(struct copier *c, pid_t pid, uint64_t addr, int err)
{
	c->reading = true;
	c->err_pid = pid;
	c->err_addr = addr;
	return err;
}

/* process_vm_readv of all @n pieces, @len bytes together; may need several calls. */
static int read_pieces(struct copier *c, char *to, pid_t pid, struct iovec *iov, size_t n, size_t len)
{
	size_t i = 0;

	while (len && i < n) {
		struct iovec local = { to, len };
		ssize_t got = process_vm_readv(pid, &local, 1, iov + i, n - i, 0);

		if (got <= 0)
			return fail(c, pid, (uintptr_t)iov[i].iov_base, got < 0 ? -errno : -EIO);
		to += got;
		len -= got;
		for (; i < n && got && (size_t)got >= iov[i].iov_len; i++)
			got -= iov[i].iov_len;
		if (got && i < n) {
			iov[i].iov_base = (char *)iov[i].iov_base + got;
			iov[i].iov_len -= got;
		}
	}
	return 0;
}

/* Pages from @index on (in source @at) out of one process: how many, at most @max. */
static int gather(struct copier *c, char *to, size_t at, uint64_t index, uint64_t max, uint64_t *ret_pages)
{
	const struct page_source *s = &c->tab->sources[at];
	struct iovec iov[PIECES];
	uint64_t pages = 0;
	pid_t pid = s->pid;
	size_t n = 0;

	for (; at < c->tab->n_sources && pages < max && n < PIECES; at++, n++) {
		uint64_t skip, take;

		s = &c->tab->sources[at];
		if (s->pid != pid)
			break;
		skip = index + pages - s->index;
		take = MIN(s->pages - skip, max - pages);
		iov[n].iov_base = (void *)(uintptr_t)(s->addr + skip * PAGE);
		iov[n].iov_len = take * PAGE;
		pages += take;
	}
	*ret_pages = pages;
	return read_pieces(c, to, pid, iov, n, pages * PAGE);
}

static int read_some(struct copier *c, char *to, uint64_t index, uint64_t max, uint64_t *ret_pages)
{
	size_t at = source_at(c->tab, index);
	const struct page_source *s = &c->tab->sources[at];
	uint64_t skip;
	int ret;

	if (s->pid)
		return gather(c, to, at, index, max, ret_pages);
	skip = index - s->index;
	*ret_pages = MIN(s->pages - skip, max);
	ret = pread_all(s->fd, to, *ret_pages * PAGE, (off_t)(s->addr + skip * PAGE));
	return ret < 0 ? fail(c, 0, s->addr + skip * PAGE, ret) : 0;
}

/* Fill the buffer with the pages from @index on; how many. */
static int fill_buffer(struct copier *c, uint64_t index, uint64_t *ret_pages)
{
	uint64_t max = MIN(c->end - index, (uint64_t)BUFFER / PAGE), n = 0;

	while (n < max) {
		uint64_t got;
		int ret = read_some(c, c->buf + n * PAGE, index + n, max - n, &got);

		if (ret < 0)
			return ret;
		n += got;
	}
	*ret_pages = n;
	return 0;
}

/* Write the buffer; the disk may begin with what lies FLUSH behind, the image is synced in the end. */
static int put_buffer(struct copier *c, uint64_t index, uint64_t pages)
{
	uint64_t at = (index - c->first) * PAGE, end = at + pages * PAGE;
	int ret = pwrite_all(c->fd, c->buf, pages * PAGE, (off_t)at);

	XXH3_128bits_update(c->sum, c->buf, pages * PAGE);
	if (ret >= 0 && end / FLUSH != at / FLUSH)
		sync_file_range(c->fd, (off_t)((end / FLUSH - 1) * FLUSH), FLUSH, SYNC_FILE_RANGE_WRITE);
	return ret;
}

static void *copier_main(void *arg)
{
	struct copier *c = arg;
	uint64_t pages;
	cpu_set_t all;

	if (c->number) { /* not ourselves, but a thread of ours: we may be bound to one processor */
		memset(&all, 0xff, sizeof(all));
		sched_setaffinity(0, sizeof(all), &all);
	}
	for (uint64_t index = c->first; index < c->end && !c->err; index += pages) {
		pages = 0;
		c->err = fill_buffer(c, index, &pages);
		if (!c->err)
			c->err = put_buffer(c, index, pages);
	}
	return NULL;
}

static int copier_result(const struct copier *c)
{
	if (!c->err)
		return 0;
	if (!c->reading)
		return log_errno(c->err, "cannot write the page files");
	if (c->err_pid)
		return log_errno(c->err, "pid %d: cannot read its memory at %lx", c->err_pid, c->err_addr);
	return log_errno(c->err, "cannot read shared or protected memory at %lx", c->err_addr);
}

static int copiers_run(struct copier *c, size_t n)
{
	size_t started = 0;
	int ret = 0;

	for (; started + 1 < n; started++) {
		ret = -pthread_create(&c[started].thread, NULL, copier_main, &c[started]);
		if (ret < 0)
			break;
	}
	if (ret >= 0)
		copier_main(&c[n - 1]);
	for (size_t i = 0; i < started; i++)
		pthread_join(c[i].thread, NULL);
	if (ret < 0)
		return log_errno(ret, "cannot start a thread");
	for (size_t i = 0; i < n && ret >= 0; i++)
		ret = copier_result(&c[i]);
	return ret;
}

static void page_file_name(char *name, size_t size, size_t number)
{
	snprintf(name, size, "pages-%zu.img", number);
}

static int copier_open(struct dump *d, struct copier *c, size_t number)
{
	char name[32];

	page_file_name(name, sizeof(name), number);
	c->buf = aligned_alloc(PAGE, BUFFER);
	c->sum = XXH3_createState();
	if (!c->buf || !c->sum)
		return log_oom();
	XXH3_128bits_reset(c->sum);
	c->fd = image_raw_create(d->img, name);
	return c->fd < 0 ? c->fd : 0;
}

/* @err: of what went before; the first error. */
static int copier_close(struct dump *d, struct copier *c, size_t number, int err)
{
	char name[32];

	page_file_name(name, sizeof(name), number);
	if (c->fd >= 0 && close(c->fd) < 0 && err >= 0)
		err = log_errno(errno, "%s: cannot write", name);
	if (err >= 0)
		err = image_raw_summed(d->img, name, c->sum, (c->end - c->first) * PAGE);
	XXH3_freeState(c->sum);
	free(c->buf);
	return err;
}

int pages_copy(struct dump *d, struct mem_table *tab, PagesEntry *ret)
{
	size_t n = tab->n_pages * PAGE <= SMALL || sysconf(_SC_NPROCESSORS_ONLN) < 2 ? 1 : MAX_COPIERS;
	struct copier c[MAX_COPIERS];
	uint64_t first = 0;
	int err = 0;

	ret->files = calloc(MAX_COPIERS, sizeof(*ret->files));
	if (!ret->files)
		return log_oom();
	for (size_t i = 0; i < n; i++) {
		uint64_t end = i + 1 == n ? tab->n_pages : tab->n_pages / n * (i + 1);

		c[i] = (struct copier){
			.tab = tab, .first = first, .end = end, .fd = -1, .number = i + 1 == n ? 0 : i + 1
		};
		ret->files[i] = end - first;
		first = end;
		if (err >= 0)
			err = copier_open(d, &c[i], i + 1);
	}
	ret->n_files = n;
	if (err >= 0)
		err = copiers_run(c, n);
	for (size_t i = 0; i < n; i++)
		err = copier_close(d, &c[i], i + 1, err);
	return err;
}
