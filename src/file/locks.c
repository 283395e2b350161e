/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File locks: "lock:" lines of fdinfo (fs/locks.c, lock_get_status), which show exactly the locks of this
 * description (flock, OFD) or of this descriptor table through it (POSIX). Leases are refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/file.h>

#include "base/log.h"
#include "base/parse.h"
#include "file/install.h"
#include "file/table.h"

enum { LOCK_FLOCK = 1, LOCK_POSIX, LOCK_OFD };

/* "1: POSIX  ADVISORY  WRITE 123 08:01:99 0 EOF" */
static int parse_lock(const char *line, LockEntry *e)
{
	char kind[16], how[16], mode[16], end[32];
	unsigned long long start;

	if (sscanf(line, "lock:%*s %15s %15s %15s %*s %*s %llu %31s", kind, how, mode, &start, end) != 5)
		return -EINVAL;
	if (streq(kind, "FLOCK"))
		e->kind = LOCK_FLOCK;
	else if (streq(kind, "POSIX"))
		e->kind = LOCK_POSIX;
	else if (streq(kind, "OFDLCK"))
		e->kind = LOCK_OFD;
	else
		return -EOPNOTSUPP;
	e->write = streq(mode, "WRITE");
	e->start = start;
	e->end = INT64_MAX;
	return streq(end, "EOF") ? 0 : parse_u64(end, 10, &e->end);
}

static bool lock_known(const struct file_table *t, uint32_t file_id, const LockEntry *e)
{
	for (size_t i = t->n_locks; i-- > 0;) {
		const LockEntry *o = t->locks[i].msg;

		if (t->locks[i].file_id == file_id && o && o->kind == e->kind && o->start == e->start &&
		    o->end == e->end && (e->kind != LOCK_POSIX || o->files_id == e->files_id))
			return true;
	}
	return false;
}

static int add_lock(struct file_table *files, const struct fd_table *t, const struct fd_slot *s,
		    const char *line)
{
	LockEntry *e = MSG_NEW(LockEntry, lock_entry);
	int err = e ? parse_lock(line, e) : -ENOMEM;

	if (err < 0) {
		free(e);
		return err;
	}
	if (e->kind == LOCK_POSIX) {
		e->has_files_id = e->has_fd = true;
		e->files_id = t->files_id;
		e->fd = s->fd;
	}
	if (lock_known(files, s->file_id, e)) {
		free(e);
		return 0;
	}
	if (!GROW(files->locks, files->n_locks)) {
		free(e);
		return -ENOMEM;
	}
	files->locks[files->n_locks++] = (struct file_lock){ s->file_id, e };
	return 0;
}

int locks_collect(struct dump *d, const struct fd_table *t, const struct fd_slot *s, const char *fdinfo)
{
	_cleanup_free_ char *text = strdup(fdinfo);
	char *p = text, *line;

	if (!text)
		return log_oom();
	while ((line = next_line(&p))) {
		int err;

		if (!startswith(line, "lock:"))
			continue;
		if (!d->opt->file_locks) {
			log_error("pid %d fd %d: has a file lock; pass --file-locks", t->task->pid, s->fd);
			return -EOPNOTSUPP;
		}
		err = add_lock(d->files, t, s, line);
		if (err < 0)
			return log_errno(err, "pid %d fd %d: \"%s\": leases and odd locks cannot be restored",
					 t->task->pid, s->fd, line);
	}
	return 0;
}

int locks_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	struct file_table *t = d->files;

	for (size_t i = 0; i < t->n_locks; i++) {
		if (t->locks[i].file_id != f->id || !t->locks[i].msg)
			continue;
		if (!GROW(msg->locks, msg->n_locks))
			return log_oom();
		msg->locks[msg->n_locks++] = TAKE_PTR(t->locks[i].msg);
	}
	return 0;
}

static int64_t lock_len(const LockEntry *e)
{
	return e->end == INT64_MAX ? 0 : (int64_t)(e->end - e->start + 1);
}

/* Owned by the process: taken by its hand. */
static int set_posix(struct restore *r, const LockEntry *e)
{
	struct rtask *t = NULL;
	struct flock *fl;

	for (size_t i = 0; i < r->n_tasks && !t; i++)
		if (r->tasks[i].hand && r->tasks[i].msg->files_id == e->files_id)
			t = &r->tasks[i];
	if (!t)
		return -ESRCH;
	fl = remote_alloc(t->hand, sizeof(*fl));
	fl->l_type = e->write ? F_WRLCK : F_RDLCK;
	fl->l_whence = SEEK_SET;
	fl->l_start = (off_t)e->start;
	fl->l_len = lock_len(e);
	remote_call(t->hand, SYS_fcntl, e->fd, F_SETLK, remote_addr(t->hand, fl));
	return remote_run(t->hand);
}

static int set_lock(struct restore *r, const LockEntry *e, int fd)
{
	struct flock fl = { .l_type = e->write ? F_WRLCK : F_RDLCK, .l_start = (off_t)e->start };

	fl.l_len = lock_len(e);
	switch (e->kind) {
	case LOCK_FLOCK:
		return flock(fd, (e->write ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 ? -errno : 0;
	case LOCK_OFD:
		return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
	case LOCK_POSIX:
		return set_posix(r, e);
	default:
		return -EBADMSG;
	}
}

int locks_restore(struct restore *r, const FileEntry *msg, int fd)
{
	for (size_t i = 0; i < msg->n_locks; i++) {
		int err = set_lock(r, msg->locks[i], fd);

		if (err < 0)
			return log_errno(err, "%s: file lock %zu; is it locked by somebody else?",
					 file_entry_name(msg), i);
	}
	return 0;
}
