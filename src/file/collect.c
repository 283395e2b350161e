/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding the open file descriptions of all tasks. Each descriptor is stolen with pidfd_getfd(2) and
 * identified by kcmp(2): within the descriptions of one inode they are kept in kcmp order, so that a
 * new one is found or placed in log n comparisons.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/remap.h"
#include "file/table.h"

static void desc_free(struct file_desc *f)
{
	if (!f)
		return;
	close_fd(&f->fd);
	free(f->link);
	free(f->fdinfo);
	free(f);
}

static void desc_cleanup(struct file_desc **f)
{
	desc_free(*f);
}

/* flags, pos and mnt_id out of f->fdinfo; *ret_cloexec of the number it was read for. */
static int parse_fdinfo(struct file_desc *f, bool *ret_cloexec)
{
	uint64_t flags, mnt_id;
	const char *pos = key_value(f->fdinfo, "pos");

	if (!pos || key_u64(f->fdinfo, "flags", 8, &flags) < 0)
		return -EINVAL;
	f->pos = strtoull(pos, NULL, 10);
	f->flags = flags & ~(uint64_t)O_CLOEXEC;
	*ret_cloexec = flags & O_CLOEXEC;
	f->mnt_id = key_u64(f->fdinfo, "mnt_id", 10, &mnt_id) < 0 ? -1 : (int)mnt_id;
	return 0;
}

/* A description as /proc/PID shows it; without a descriptor of ours. */
static int desc_read(struct task *t, int number, struct file_desc **ret, bool *ret_cloexec)
{
	_cleanup_(desc_cleanup) struct file_desc *f = calloc(1, sizeof(*f));
	char path[32];
	int err;

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->task = t;
	f->task_fd = number;
	snprintf(path, sizeof(path), "fd/%d", number);
	err = readlink_at(t->proc, path, &f->link);
	if (err >= 0)
		err = fstatat(t->proc, path, &f->st, 0) < 0 ? -errno : 0;
	snprintf(path, sizeof(path), "fdinfo/%d", number);
	if (err >= 0)
		err = read_text_at(t->proc, path, &f->fdinfo);
	if (err >= 0)
		err = parse_fdinfo(f, ret_cloexec);
	if (err < 0)
		return err;
	*ret = TAKE_PTR(f);
	return 0;
}

/* The control socket of a hand is not the task's own descriptor. */
bool is_hands_own(struct dump *d, struct task *t, int number)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		const struct task *o = d->tasks[i];

		if (o->hand && (o == t || (o->files_id && o->files_id == t->files_id)) &&
		    o->hand->slot->ctl == number)
			return true;
	}
	return false;
}

/* Where @fd belongs among the sorted @g: its place, and whether it is there already. */
static int group_search(const struct file_group *g, int fd, size_t *ret_at, bool *ret_found)
{
	size_t lo = 0, hi = g->n;
	pid_t self = getpid();

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = sys_kcmp(self, self, KCMP_FILE, fd, g->descs[mid]->fd);

		if (c < 0)
			return -errno;
		if (c == 0) {
			*ret_at = mid;
			*ret_found = true;
			return 0;
		}
		if (c == 1)
			hi = mid;
		else if (c == 2)
			lo = mid + 1;
		else
			return -ESRCH;
	}
	*ret_at = lo;
	*ret_found = false;
	return 0;
}

static int group_of(struct file_table *t, const struct stat *st, struct file_group **ret)
{
	uint64_t key = map_mix(st->st_dev, st->st_ino);
	struct file_group *g = map_get(&t->groups, key);

	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g || map_put(&t->groups, key, g) < 0) {
			free(g);
			return -ENOMEM;
		}
	}
	*ret = g;
	return 0;
}

/* Enter @f (with its own descriptor) unless it is known; @f is consumed. */
static int table_add(struct file_table *t, struct file_desc *f, uint32_t *ret_id)
{
	_cleanup_(desc_cleanup) struct file_desc *owned = f;
	struct file_group *g;
	size_t at = 0;
	bool found = false;
	int err = group_of(t, &f->st, &g);

	if (err >= 0)
		err = group_search(g, f->fd, &at, &found);
	if (err < 0)
		return err;
	if (found) {
		*ret_id = g->descs[at]->id;
		return 0;
	}
	if (!GROW(g->descs, g->n) || !GROW(t->descs, t->n))
		return -ENOMEM;
	memmove(&g->descs[at + 1], &g->descs[at], (g->n - at) * sizeof(*g->descs));
	g->descs[at] = f;
	g->n++;
	t->descs[t->n++] = f;
	f->id = t->n;
	*ret_id = f->id;
	TAKE_PTR(owned);
	return 0;
}

/* A borrowed descriptor of what @t holds as @number, stolen. */
static int steal(struct task *t, struct file_desc *f)
{
	int fd = sys_pidfd_getfd(t->pidfd, f->task_fd);

	if (fd < 0)
		return -errno;
	f->fd = fd_high(fd);
	return fstat(f->fd, &f->st) < 0 ? -errno : 0;
}

static int collect_fd(struct dump *d, struct fd_table *table, int number)
{
	struct file_desc *f;
	_cleanup_free_ char *fdinfo = NULL;
	struct fd_slot *s;
	bool cloexec;
	int err = desc_read(table->task, number, &f, &cloexec);

	if (err < 0)
		return d->files->running ? 0
					 : log_errno(err, "pid %d fd %d: /proc", table->task->pid, number);
	err = steal(table->task, f);
	if (err < 0) {
		if (!d->files->running)
			log_errno(err, "pid %d fd %d (%s): pidfd_getfd", table->task->pid, number, f->link);
		desc_free(f);
		return d->files->running ? 0 : err;
	}
	if (strstr(f->fdinfo, "\nlock:") && !d->files->running)
		fdinfo = strdup(f->fdinfo);
	if (!GROW(table->fds, table->n)) {
		desc_free(f);
		return -ENOMEM;
	}
	s = &table->fds[table->n];
	*s = (struct fd_slot){ .fd = number, .cloexec = cloexec };
	err = table_add(d->files, f, &s->file_id);
	if (err < 0)
		return log_errno(err, "pid %d fd %d: kcmp", table->task->pid, number);
	table->n++;
	return fdinfo ? locks_collect(d, table, s, fdinfo) : 0;
}

int files_collect_table(struct dump *d, struct task *t)
{
	struct file_table *files = d->files;
	struct fd_table *table;
	_cleanup_free_ int *list = NULL;
	size_t n;
	int err = proc_list(t->proc, "fd", &list, &n);

	if (err < 0)
		return files->running ? 0 : log_errno(err, "pid %d: /proc/%d/fd", t->pid, t->pid);
	if (!GROW(files->tables, files->n_tables))
		return log_oom();
	table = &files->tables[files->n_tables++];
	*table = (struct fd_table){ .files_id = t->files_id, .task = t };
	for (size_t i = 0; i < n; i++) {
		if (is_hands_own(d, t, list[i]))
			continue;
		err = collect_fd(d, table, list[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

struct file_table *files_of(struct dump *d)
{
	if (!d->files)
		d->files = calloc(1, sizeof(*d->files));
	return d->files;
}

/* Descriptions that are held by others only, as those in flight in a socket's queue; and theirs. */
static int collect_held(struct dump *d)
{
	int err = 0;

	for (size_t i = 0; i < d->files->n && err >= 0; i++) {
		const struct file_ops *ops = file_ops_match(d->files->descs[i]);

		if (ops && ops->collect)
			err = ops->collect(d, d->files->descs[i]);
	}
	return err;
}

/* A shared table comes back by cloning from a parent that has it. */
static int check_sharing(const struct task *t)
{
	if (t->files_first || (t->parent && t->parent->files_id == t->files_id))
		return 0;
	log_error("pid %d: shares its descriptor table with a process that is not its parent; not supported",
		  t->pid);
	return -EOPNOTSUPP;
}

int files_collect(struct dump *d)
{
	int err = 0;

	if (!files_of(d))
		return log_oom();
	for (size_t i = 0; i < d->n_tasks && err >= 0; i++) {
		if (d->tasks[i]->state == TASK_ZOMBIE)
			continue;
		err = check_sharing(d->tasks[i]);
		if (err >= 0 && d->tasks[i]->files_first)
			err = files_collect_table(d, d->tasks[i]);
	}
	if (err >= 0)
		err = collect_held(d);
	if (err >= 0)
		err = tty_collect_controlling(d);
	if (err >= 0)
		log_debug("%zu descriptions in %zu tables", d->files->n, d->files->n_tables);
	return err;
}

int files_add(struct dump *d, struct task *t, int fd, const char *link, uint32_t *ret_id)
{
	struct file_desc *f = files_of(d) ? calloc(1, sizeof(*f)) : NULL;
	char path[64];
	bool cloexec;
	int err;

	if (!f) {
		close(fd);
		return log_oom();
	}
	f->fd = fd_high(fd);
	f->task = t;
	f->task_fd = -1;
	f->link = strdup(link);
	err = f->link ? 0 : -ENOMEM;
	if (err >= 0)
		err = fstat(f->fd, &f->st) < 0 ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
	if (err >= 0)
		err = read_text_at(AT_FDCWD, path, &f->fdinfo);
	if (err >= 0)
		err = parse_fdinfo(f, &cloexec);
	if (err < 0) {
		desc_free(f);
		return log_errno(err, "pid %d: %s", t->pid, link);
	}
	return table_add(d->files, f, ret_id);
}

int files_find(struct dump *d, struct task *t, int fd, uint32_t *ret_id)
{
	for (size_t i = 0; d->files && i < d->files->n_tables; i++) {
		const struct fd_table *table = &d->files->tables[i];
		size_t lo = 0, hi = table->n;

		if (table->files_id != t->files_id)
			continue;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (table->fds[mid].fd < fd)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo == table->n || table->fds[lo].fd != fd)
			return -ENOENT;
		*ret_id = table->fds[lo].file_id;
		return 0;
	}
	return -ENOENT;
}

const struct file_desc *files_by_inode(struct dump *d, dev_t dev, ino_t ino)
{
	const struct file_group *g = d->files ? map_get(&d->files->groups, map_mix(dev, ino)) : NULL;

	for (size_t i = 0; g && i < g->n; i++)
		if (g->descs[i]->st.st_dev == dev && g->descs[i]->st.st_ino == ino)
			return g->descs[i];
	return NULL;
}

static void groups_free(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++) {
		struct file_group *g = m->slots[i].val;

		if (g)
			free(g->descs);
		free(g);
	}
	map_done(m);
}

void files_dump_done(struct dump *d)
{
	struct file_table *t = d->files;

	if (!t)
		return;
	remaps_done(t->remaps, false);
	for (size_t i = 0; i < t->n; i++)
		desc_free(t->descs[i]);
	for (size_t i = 0; i < t->n_tables; i++)
		free(t->tables[i].fds);
	for (size_t i = 0; i < t->n_locks; i++)
		if (t->locks[i].msg)
			protobuf_c_message_free_unpacked(&t->locks[i].msg->base, NULL);
	for (size_t i = 0; i < t->n_ghosts; i++)
		protobuf_c_message_free_unpacked(t->ghosts[i], NULL);
	groups_free(&t->groups);
	map_done(&t->shared);
	free(t->ghosts);
	free(t->locks);
	free(t->tables);
	free(t->descs);
	free(t);
	d->files = NULL;
}
