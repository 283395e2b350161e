/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * epoll(7): fdinfo shows the number, events, data and inode of every target; kcmp(KCMP_EPOLL_TFD) says
 * which description it is (not asked of a socket, which has only one: the kernel walks all targets for
 * each answer). Targets are added at the end, by a task that holds the epoll and under the
 * number they had: the kernel finds an entry by (file, number), and a signalfd wakes the one who added it.
 * Not restored: the order of the ready list; a target already reported edge-triggered is reported again.
 */
#include <linux/kcmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/syscalls.h"
#include "file/install.h"
#include "file/kinds.h"
#include "file/table.h"

struct target {
	uint32_t fd, events;
	uint64_t data;
	dev_t dev;
	ino_t ino;
	uint32_t nth; /* among those with this number */
};

static bool epoll_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:[eventpoll]");
}

static bool parse_target(const char *line, struct target *t)
{
	unsigned long long data, ino;
	unsigned int sdev;

	if (sscanf(line, "tfd: %u events: %x data: %llx pos:%*d ino:%llx sdev:%x", &t->fd, &t->events, &data,
		   &ino, &sdev) != 5)
		return false;
	t->data = data;
	t->ino = ino;
	t->dev = makedev(sdev >> 20, sdev & 0xfffff);
	return true;
}

/* 0 when @fd (ours) is target @t of the epoll @epfd (ours). */
static int compare(int fd, int epfd, const struct target *t)
{
	struct kcmp_epoll_slot slot = { .efd = epfd, .tfd = t->fd, .toff = t->nth };
	pid_t self = getpid();

	return sys_kcmp(self, self, KCMP_EPOLL_TFD, fd, (unsigned long)&slot);
}

static bool is_socket(const struct file_desc *f, const struct target *t)
{
	return S_ISSOCK(f->st.st_mode) && f->st.st_ino == t->ino && f->st.st_dev == t->dev;
}

/* Entries with the same number are neighbours: the kernel sorts by file, but few numbers repeat. */
static uint32_t count_same(const EpollEntry *e, uint32_t fd)
{
	uint32_t n = 0;

	for (size_t i = 0; i < e->n_targets; i++)
		n += e->targets[i]->fd == fd;
	return n;
}

static int find_target(struct dump *d, const struct file_desc *f, struct target *t, const EpollEntry *e,
		       uint32_t *ret_id)
{
	bool held = files_find(d, f->task, (int)t->fd, ret_id) == 0;
	const struct file_desc *own = held ? d->files->descs[*ret_id - 1] : NULL;
	const struct file_group *g;

	if (own && is_socket(own, t))
		return 0;
	t->nth = count_same(e, t->fd);
	if (own && compare(own->fd, f->fd, t) == 0)
		return 0;
	g = map_get(&d->files->groups, map_mix(t->dev, t->ino));
	for (size_t i = 0; g && i < g->n; i++) {
		if (compare(g->descs[i]->fd, f->fd, t) == 0) {
			*ret_id = g->descs[i]->id;
			return 0;
		}
	}
	log_error("%s: watches %u, a file (inode %llu) nobody in the container holds; close its other holder",
		  file_desc_name(f), t->fd, (unsigned long long)t->ino);
	return -EOPNOTSUPP;
}

static int add_target(struct dump *d, const struct file_desc *f, struct target *t, EpollEntry *e)
{
	EpollTarget *m;
	uint32_t id;
	int err;

	err = find_target(d, f, t, e, &id);
	if (err < 0)
		return err;
	m = MSG_NEW(EpollTarget, epoll_target);
	if (!m || !GROW(e->targets, e->n_targets)) {
		free(m);
		return log_oom();
	}
	e->targets[e->n_targets++] = m;
	m->fd = t->fd;
	m->file_id = id;
	m->events = t->events;
	m->data = t->data;
	return 0;
}

static int epoll_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	_cleanup_free_ char *text = strdup(f->fdinfo);
	EpollEntry *e = MSG_NEW(EpollEntry, epoll_entry);
	char *p = text, *line;

	msg->epoll = e;
	if (!text || !e)
		return log_oom();
	msg->kind_case = FILE_ENTRY__KIND_EPOLL;
	while ((line = next_line(&p))) {
		struct target t;
		int err;

		if (!startswith(line, "tfd:"))
			continue;
		if (!parse_target(line, &t)) {
			log_error("%s: cannot read \"%s\" of fdinfo", file_desc_name(f), line);
			return -EINVAL;
		}
		err = add_target(d, f, &t, e);
		if (err < 0)
			return err;
	}
	return 0;
}

static int epoll_deps(struct restore *r, const FileEntry *msg)
{
	for (size_t i = 0; i < msg->epoll->n_targets; i++)
		if (!files_entry(r, msg->epoll->targets[i]->file_id)) {
			log_error("%s: target file %u is not in the image", file_entry_name(msg),
				  msg->epoll->targets[i]->file_id);
			return -EBADMSG;
		}
	return 0;
}

static int epoll_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? log_errno(errno, "%s: epoll_create1", file_entry_name(msg)) : fd;
}

/* An EPOLLONESHOT target that has fired and was not armed again. */
static bool is_disarmed(const EpollTarget *t)
{
	return t->events & EPOLLONESHOT && !(t->events & (EPOLLERR | EPOLLHUP));
}

static void call_ctl(struct remote *h, int epfd, int op, const EpollTarget *t, uint32_t more)
{
	struct epoll_event *ev = remote_alloc(h, sizeof(*ev));

	ev->events = t->events | more;
	ev->data.u64 = t->data;
	remote_call(h, SYS_epoll_ctl, epfd, op, t->fd, remote_addr(h, ev));
}

/* Armed for what it may be ready for and that event taken; if it is not ready, only errors can be reported.
 */
static int add_disarmed(struct remote *h, int epfd, const EpollTarget *t)
{
	struct epoll_event *got = remote_alloc(h, sizeof(*got));
	const struct remote_call *wait;
	int err;

	call_ctl(h, epfd, EPOLL_CTL_ADD, t, EPOLLIN | EPOLLOUT);
	wait = remote_call(h, SYS_epoll_wait, epfd, remote_addr(h, got), 1, 0);
	err = remote_run(h);
	if (err < 0 || wait->ret == 1)
		return err;
	call_ctl(h, epfd, EPOLL_CTL_MOD, t, 0);
	return remote_run(h);
}

/* Put our @fd at @number of the task for the moment; *@ret_saved keeps what is there, -1 for nothing. */
static int lend(struct remote *h, int fd, int number, bool taken, int *ret_saved)
{
	const struct remote_call *save = NULL;
	int given, err = remote_give_fds(h, &fd, 1, &given);

	*ret_saved = -1;
	if (err < 0 || given == number)
		return err;
	if (taken)
		save = remote_call(h, SYS_fcntl, number, F_DUPFD_CLOEXEC, h->slot->ctl + 1);
	remote_call(h, SYS_dup3, given, number, O_CLOEXEC);
	remote_call(h, SYS_close, given);
	err = remote_run(h);
	if (err >= 0 && save)
		*ret_saved = (int)save->ret;
	return err;
}

static int take_back(struct remote *h, int number, int saved, bool cloexec)
{
	if (saved < 0)
		return (int)remote_syscall(h, SYS_close, number);
	remote_call(h, SYS_dup3, saved, number, cloexec ? O_CLOEXEC : 0);
	remote_call(h, SYS_close, saved);
	return remote_run(h);
}

static int add_now(struct remote *h, int epfd, const EpollTarget *t)
{
	if (is_disarmed(t))
		return add_disarmed(h, epfd, t);
	call_ctl(h, epfd, EPOLL_CTL_ADD, t, 0);
	return remote_run(h);
}

/* The number is free, or means something else, in that task. */
static int add_lent(struct restore *r, const struct file_place *p, const EpollTarget *t)
{
	struct remote *h = p->task->hand;
	int fd = files_get(r, t->file_id), number = (int)t->fd, saved, err;
	uint32_t other;
	bool cloexec = false, taken;

	if (fd < 0)
		return fd;
	if (number == h->slot->ctl || number == p->number)
		return -EBUSY;
	taken = files_table_find(r, p->task->msg->files_id, t->fd, &other, &cloexec) == 0;
	err = lend(h, fd, number, taken, &saved);
	if (err >= 0)
		err = add_now(h, p->number, t);
	return err < 0 ? err : take_back(h, number, saved, cloexec);
}

/* Most targets: held by the task under their number; many in one batch. */
static int add_held(struct restore *r, const FileEntry *msg, const struct file_place *p, bool *done)
{
	struct remote *h = p->task->hand;
	unsigned int queued = 0;
	int err = 0;

	for (size_t i = 0; i < msg->epoll->n_targets && err >= 0; i++) {
		const EpollTarget *t = msg->epoll->targets[i];

		if (done[i])
			continue;
		call_ctl(h, p->number, EPOLL_CTL_ADD, t, 0);
		done[i] = true;
		if (++queued == 200) {
			err = remote_run(h);
			queued = 0;
		}
	}
	return err >= 0 && queued ? remote_run(h) : err;
}

static bool held_there(struct restore *r, const struct file_place *p, const EpollTarget *t)
{
	uint32_t held;
	bool cloexec;

	return files_table_find(r, p->task->msg->files_id, t->fd, &held, &cloexec) == 0 && held == t->file_id;
}

static int add_targets(struct restore *r, const FileEntry *msg, const struct file_place *p)
{
	_cleanup_free_ bool *done = calloc(msg->epoll->n_targets, sizeof(*done));
	int err = done ? 0 : -ENOMEM;

	/* Disarmed ones first, while no other event can be taken for theirs. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < msg->epoll->n_targets && err >= 0; i++) {
			const EpollTarget *t = msg->epoll->targets[i];
			bool held = held_there(r, p, t);

			if (is_disarmed(t) != (pass == 0) || (pass == 1 && held))
				continue;
			err = held ? add_now(p->task->hand, p->number, t) : add_lent(r, p, t);
			done[i] = true;
		}
	}
	return err < 0 ? err : add_held(r, msg, p, done);
}

static int epoll_finish(struct restore *r, const FileEntry *msg, int fd)
{
	struct file_place p;
	int err;

	if (!msg->epoll->n_targets)
		return 0;
	err = file_place_find(r, msg, fd, &p);
	if (err >= 0)
		err = add_targets(r, msg, &p);
	if (err >= 0)
		err = file_place_done(&p);
	if (err < 0)
		return log_errno(err, "%s: adding a target", file_entry_name(msg));
	return 0;
}

const struct file_ops epoll_ops = {
	.name = "epoll",
	.kind = FILE_ENTRY__KIND_EPOLL,
	.match = epoll_match,
	.dump = epoll_dump,
	.deps = epoll_deps,
	.restore = epoll_restore,
	.finish = epoll_finish,
};
