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

	for (size_t i = 0; t && i < t->n_fds; i++)
		if (t->fds[i]->fd == fd) {
			*ret_file = t->fds[i]->file_id;
			*ret_cloexec = t->fds[i]->cloexec;
			return 0;
		}
	return -ENOENT;
}

/* What the task has from its parent, or from us. */
static int close_inherited(struct remote *h)
{
	unsigned int ctl = h->slot->ctl;

	if (ctl > 0)
		remote_call(h, SYS_close_range, 0, ctl - 1, 0);
	remote_call(h, SYS_close_range, ctl + 1, UINT_MAX, 0);
	return remote_run(h);
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
	int err = close_inherited(t->hand);

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
