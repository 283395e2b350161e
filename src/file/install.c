/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor tables: our descriptors go to a task in groups. It receives them at its lowest free
 * numbers, in order; wanted numbers ascend, so each one is received at or below where it belongs and
 * they can be moved up from the last to the first without overwriting one that is still to move.
 */
#include <fcntl.h>
#include <limits.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "file/install.h"
#include "file/table.h"

#define GROUP 180 /* two calls each must fit a batch */

static const FdTableEntry *find_table(const struct restore *r, uint32_t files_id)
{
	for (size_t i = 0; r->files && i < r->files->n_tables; i++) {
		const FdTableEntry *t = (const FdTableEntry *)r->files->tables[i];

		if (t->id == files_id)
			return t;
	}
	return NULL;
}

int files_top(const struct restore *r, uint32_t files_id)
{
	const FdTableEntry *t = find_table(r, files_id);

	return t && t->n_fds ? (int)t->fds[t->n_fds - 1]->fd + 1 : 0;
}

int files_table_find(const struct restore *r, uint32_t files_id, uint32_t fd, uint32_t *ret_file,
		     bool *ret_cloexec)
{
	const FdTableEntry *t = find_table(r, files_id);
	size_t lo = 0, hi = t ? t->n_fds : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->fds[mid]->fd < fd)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (t && lo < t->n_fds && t->fds[lo]->fd == fd) {
		*ret_file = t->fds[lo]->file_id;
		*ret_cloexec = t->fds[lo]->cloexec;
		return 0;
	}
	return -ENOENT;
}

static int cmp_uint(const void *a, const void *b)
{
	return *(const unsigned int *)a < *(const unsigned int *)b
		       ? -1
		       : *(const unsigned int *)a > *(const unsigned int *)b;
}

/* The control sockets of all hands in t's table, ascending; malloc()ed. */
static unsigned int *hands_of_table(const struct restore *r, const struct rtask *t, size_t *ret_n)
{
	unsigned int *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct rtask *o = &r->tasks[i];

		if (!o->hand || (o != t && o->msg->files_id != t->msg->files_id))
			continue;
		if (!GROW(list, n)) {
			free(list);
			return NULL;
		}
		list[n++] = o->hand->slot->ctl;
	}
	qsort(list, n, sizeof(*list), cmp_uint);
	*ret_n = n;
	return list;
}

/* What the task has from its parent, or from us. */
static int close_inherited(const struct restore *r, const struct rtask *t)
{
	size_t n;
	_cleanup_free_ unsigned int *keep = hands_of_table(r, t, &n);
	unsigned int from = 0;

	if (!keep)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (keep[i] > from)
			remote_call(t->hand, SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	remote_call(t->hand, SYS_close_range, from, UINT_MAX, 0);
	return remote_run(t->hand);
}

static int install_group(struct restore *r, struct remote *h, FdEntry *const *fds, size_t n)
{
	int ours[GROUP], theirs[GROUP], err;

	for (size_t i = 0; i < n; i++) {
		ours[i] = files_get(r, fds[i]->file_id);
		if (ours[i] < 0)
			return ours[i];
	}
	err = remote_give_fds(h, ours, n, theirs);
	if (err < 0)
		return err;
	for (size_t i = n; i-- > 0;) {
		int number = (int)fds[i]->fd;

		if (theirs[i] == number) {
			if (!fds[i]->cloexec)
				remote_call(h, SYS_fcntl, number, F_SETFD, 0);
			continue;
		}
		if (theirs[i] > number)
			return -EPROTO; /* something was open below */
		remote_call(h, SYS_dup3, theirs[i], number, fds[i]->cloexec ? O_CLOEXEC : 0);
		remote_call(h, SYS_close, theirs[i]);
	}
	return remote_run(h);
}

int files_install(struct restore *r, struct rtask *t)
{
	const FdTableEntry *table = find_table(r, t->msg->files_id);
	int err = close_inherited(r, t);

	if (err < 0)
		return log_errno(err, "task %u: close_range", t->msg->id);
	if (!table)
		return 0;
	if (table->n_fds && (int)table->fds[table->n_fds - 1]->fd >= t->hand->slot->ctl) {
		log_error("task %u: control socket %d lies among its descriptors", t->msg->id,
			  t->hand->slot->ctl);
		return -EINVAL;
	}
	for (size_t i = 0; i < table->n_fds; i += GROUP) {
		err = install_group(r, t->hand, table->fds + i, MIN(table->n_fds - i, (size_t)GROUP));
		if (err < 0)
			return log_errno(err, "task %u: descriptors from %u on", t->msg->id,
					 table->fds[i]->fd);
	}
	return 0;
}

static struct rtask *holder_of(const struct restore *r, uint32_t files_id)
{
	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].hand && r->tasks[i].msg->files_id == files_id)
			return &r->tasks[i];
	return NULL;
}

int file_place_find(struct restore *r, const FileEntry *msg, int fd, struct file_place *ret)
{
	for (size_t i = 0; i < r->files->n_tables; i++) {
		const FdTableEntry *t = (const FdTableEntry *)r->files->tables[i];
		struct rtask *holder = holder_of(r, t->id);

		for (size_t j = 0; holder && j < t->n_fds; j++) {
			if (t->fds[j]->file_id != msg->id)
				continue;
			*ret = (struct file_place){ holder, (int)t->fds[j]->fd, false };
			return 0;
		}
	}
	*ret = (struct file_place){ &r->tasks[msg->task_id - 1], -1, true };
	if (!ret->task->hand)
		ret->task = &r->tasks[0];
	return remote_give_fds(ret->task->hand, &fd, 1, &ret->number);
}

int file_place_done(const struct file_place *p)
{
	return p->given ? (int)remote_syscall(p->task->hand, SYS_close, p->number) : 0;
}
