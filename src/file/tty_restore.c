/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Terminals at the restore. A pty has one master: made once, at its index where that is free, by opening the
 * ptmx of its devpts until the index comes; slaves are opened by name, or from the master when the name
 * differs now. Masters that lived outside of the container go to the keeper.
 */
#include <asm/termbits.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/log.h"
#include "file/table.h"
#include "file/tty.h"
#include "file/tty_kind.h"
#include "file/tty_queue.h"
#if __has_include("file/keeper.h")
#include "file/keeper.h"
#define HAVE_KEEPER 1
#else
#define HAVE_KEEPER 0
#endif

#define MAX_TRIES 4096
#define OF_THE_HOST "a terminal of the host; pass --shell-job or --inherit-fd 'fd[N]:tty[%x:%x]'"

struct tty_pty {
	dev_t dev; /* of the new devpts; 0: a tty of the host that stands for `wanted` */
	uint32_t wanted; /* index at the dump */
	uint32_t index; /* now */
	uint32_t tty_id; /* 0: no description of it yet */
	int master;
	bool claimed; /* the image has a master description */
	char name[32];
};

void ttys_done(struct file_store *s)
{
	for (size_t i = 0; i < s->n_ptys; i++)
		close_fd(&s->ptys[i].master);
	free(s->ptys);
}

static struct tty_pty *pty_by_id(struct file_store *s, uint32_t tty_id)
{
	for (size_t i = 0; i < s->n_ptys; i++)
		if (s->ptys[i].tty_id == tty_id)
			return &s->ptys[i];
	return NULL;
}

static struct tty_pty *pty_by_dev(struct file_store *s, dev_t dev, uint32_t wanted)
{
	for (size_t i = 0; i < s->n_ptys; i++)
		if (s->ptys[i].dev == dev && s->ptys[i].wanted == wanted && !s->ptys[i].tty_id)
			return &s->ptys[i];
	return NULL;
}

/* Whether we have it, also when its file is made already (a console shown in a second mount namespace). */
static bool pty_known(const struct file_store *s, dev_t dev, uint32_t wanted)
{
	for (size_t i = 0; i < s->n_ptys; i++)
		if (s->ptys[i].dev == dev && s->ptys[i].wanted == wanted)
			return true;
	return false;
}

/* @master is consumed. */
static int pty_add(struct restore *r, const struct tty_pty *p, struct tty_pty **ret)
{
	struct file_store *s = r->files;
	int unlock = 0;

	if (!GROW(s->ptys, s->n_ptys)) {
		close(p->master);
		return -ENOMEM;
	}
	s->ptys[s->n_ptys] = *p;
	*ret = &s->ptys[s->n_ptys++];
	ioctl((*ret)->master, TIOCSPTLCK, &unlock);
	return 0;
}

/* How a ptmx is opened. */
struct ptmx {
	struct remote *hand; /* NULL: by us */
	int dirfd;
	const char *path;
};

static int ptmx_open(const struct ptmx *x)
{
	if (x->hand)
		return hand_open(x->hand, x->path, O_RDWR);
	return RET_NERRNO(openat(x->dirfd, x->path, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

/* Masters up to @index, the others closed again; *@ret_index may be another one if @index is taken. */
static int open_index(const struct ptmx *x, uint32_t index, uint32_t *ret_index)
{
	_cleanup_free_ int *spare = NULL;
	size_t n = 0;
	int fd;

	for (;;) {
		unsigned int got;

		fd = ptmx_open(x);
		if (fd >= 0)
			fd = fd_high(fd);
		if (fd >= 0 && ioctl(fd, TIOCGPTN, &got) < 0) {
			close(fd);
			fd = -errno;
		}
		if (fd < 0)
			break;
		*ret_index = got;
		if (got >= index || n >= MAX_TRIES || !GROW(spare, n))
			break;
		spare[n++] = fd;
	}
	for (size_t i = 0; i < n; i++)
		close(spare[i]);
	return fd;
}

int tty_prepare(struct restore *r, int devpts_fd, uint32_t index, const char *name)
{
	const struct ptmx x = { .dirfd = devpts_fd, .path = "ptmx" };
	struct tty_pty p = { .wanted = index }, *ret;
	struct stat st;

	if (fstat(devpts_fd, &st) < 0)
		return log_errno(errno, "tty %s: devpts", name);
	p.dev = st.st_dev;
	if (pty_known(r->files, p.dev, index))
		return 0;
	p.master = open_index(&x, index, &p.index);
	if (p.master < 0)
		return log_errno(p.master, "tty %s: opening ptmx for pts/%u", name, index);
	if (p.index != index) {
		close(p.master);
		return log_errno(-EBUSY, "tty %s: pts/%u is taken in a new devpts", name, index);
	}
	snprintf(p.name, sizeof(p.name), "%s", name);
	return pty_add(r, &p, &ret);
}

/* The descriptor of --inherit-fd fd[N]:tty[RDEV:DEV]; any tty of the host with @index if @rdev is 0. */
static int inherited_tty(const struct restore *r, uint32_t rdev, uint32_t dev)
{
	for (size_t i = r->opt ? r->opt->n_inherit : 0; i-- > 0;) {
		unsigned int krdev, kdev;

		if (sscanf(r->opt->inherit[i].key, "tty[%x:%x]", &krdev, &kdev) != 2)
			continue;
		if (krdev == rdev && (!dev || kdev == dev))
			return r->opt->inherit[i].fd;
	}
	return -ENOENT;
}

int tty_prepare_console(struct restore *r, uint32_t index, char **ret_path)
{
	const struct ptmx x = { .dirfd = AT_FDCWD, .path = "/dev/ptmx" };
	struct tty_pty p = { .wanted = index, .name = "console" }, *ret;
	char path[40];
	int fd = inherited_tty(r, makedev(136, index), 0);

	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		return readlink_at(AT_FDCWD, path, ret_path);
	}
	p.master = open_index(&x, 0, &p.index);
	if (p.master < 0)
		return log_errno(p.master, "console: /dev/ptmx");
	if (pty_add(r, &p, &ret) < 0)
		return log_oom();
	*ret_path = xasprintf("/dev/pts/%u", p.index);
	return *ret_path ? 0 : -ENOMEM;
}

int tty_deps(struct restore *r, const FileEntry *msg)
{
	const TtyEntry *e = msg->tty;

	if (e->path[0] != '/' || (e->ptmx && e->ptmx[0] != '/') || e->index > 1 << 20 || !e->tty_id ||
	    (e->state && (e->state->termios.len != sizeof(struct termios2) ||
			  e->state->winsize.len != sizeof(struct winsize)))) {
		log_error("%s: bad terminal; the image is damaged", file_entry_name(msg));
		return -EBADMSG;
	}
	if (e->kind == TTY_OTHER && !(r->opt && r->opt->shell_job) && inherited_tty(r, e->rdev, e->dev) < 0) {
		log_error("%s: " OF_THE_HOST, file_entry_name(msg), e->rdev, e->dev);
		return -ENOLINK;
	}
	for (uint32_t i = 1; e->kind == TTY_SLAVE && i <= r->files->n; i++) {
		const FileEntry *o = files_entry(r, i);

		if (o->kind_case == FILE_ENTRY__KIND_TTY && o->tty->kind == TTY_MASTER &&
		    o->tty->tty_id == e->tty_id && file_dep(r, i) < 0)
			return -EBADMSG;
	}
	return 0;
}

struct rtask *tty_maker(struct restore *r, const FileEntry *msg)
{
	return maker_in_mnt(r, msg->tty->mnt_ns_id);
}

/* A pty prepared for this terminal's node by mnt/. */
static struct tty_pty *prepared(struct restore *r, const TtyEntry *e, struct remote *hand)
{
	struct stat *st;

	if (!e->ptmx)
		return pty_by_dev(r->files, 0, e->index);
	st = remote_alloc(hand, sizeof(*st));
	remote_call(hand, SYS_newfstatat, AT_FDCWD, remote_str(hand, e->ptmx), remote_addr(hand, st), 0);
	if (remote_run(hand) < 0)
		return NULL;
	return pty_by_dev(r->files, st->st_dev, e->index);
}

/* The pty of @msg, made now if need be. */
static int get_pty(struct restore *r, const FileEntry *msg, struct remote *hand, struct tty_pty **ret)
{
	const TtyEntry *e = msg->tty;
	const char *base = strrchr(e->path, '/') + 1;
	struct ptmx x = { .hand = e->ptmx ? hand : NULL, .dirfd = AT_FDCWD, .path = e->ptmx ?: "/dev/ptmx" };
	struct tty_pty p = { .wanted = e->index, .tty_id = e->tty_id };

	*ret = pty_by_id(r->files, e->tty_id);
	if (!*ret)
		*ret = prepared(r, e, hand);
	if (*ret) {
		(*ret)->tty_id = e->tty_id;
		return 0;
	}
	p.master = open_index(&x, e->ptmx ? e->index : 0, &p.index);
	if (p.master < 0)
		return p.master;
	if (p.index != e->index)
		log_warn("%s: pts/%u is taken, it becomes pts/%u", file_entry_name(msg), e->index, p.index);
	if (startswith(base, "tty") || streq(base, "console"))
		snprintf(p.name, sizeof(p.name), "%s", base);
	else
		snprintf(p.name, sizeof(p.name), "pts%u", e->index);
	return pty_add(r, &p, ret);
}

static int open_master(struct restore *r, const FileEntry *msg, struct tty_pty *p)
{
	int fd;

	p->claimed = true;
	fd = fcntl(p->master, F_DUPFD_CLOEXEC, 512);
	if (fd < 0)
		return -errno;
	if (msg->tty->hung_up) { /* its slave was open once */
		int slave = ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

		close_fd(&slave);
	}
	return fd;
}

/* Indexes repeat: each devpts has its own. */
static bool same_terminal(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The terminal @fd as @hand sees it, by its name; or @fd where that is /dev/tty or leads to another one now.
 */
static int by_its_name(const FileEntry *msg, struct remote *hand, int flags, int fd)
{
	_cleanup_close_ int named =
		streq(msg->tty->path, "/dev/tty") ? -1 : hand_open(hand, msg->tty->path, flags);

	if (named < 0 || !same_terminal(named, fd))
		return fd;
	close(fd);
	return take_fd(&named);
}

static int open_slave(const FileEntry *msg, const struct tty_pty *p, struct remote *hand)
{
	int flags = (int)(msg->flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC;
	int fd = ioctl(p->master, TIOCGPTPEER, flags);

	return fd < 0 ? -errno : by_its_name(msg, hand, flags, fd);
}

/* A terminal of whoever runs the restore. */
static int open_own(const struct restore *r, const FileEntry *msg, struct remote *hand)
{
	int flags = (int)(msg->flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC;
	int fd = inherited_tty(r, msg->tty->rdev, msg->tty->dev);

	if (fd >= 0) {
		fd = fd_reopen(fd, flags);
		return fd < 0 ? fd : by_its_name(msg, hand, flags, fd);
	}
	if (!r->opt->shell_job)
		return -ENOENT;
	for (fd = 0; fd < 3; fd++)
		if (isatty(fd))
			return fd_reopen(fd, flags);
	log_error("%s: --shell-job needs a terminal on standard input", file_entry_name(msg));
	return -ENOTTY;
}

static bool held_outside(struct restore *r, const TtyEntry *e)
{
	return e->master_outside && (!e->ptmx || r->tasks[0].msg->ns_ids[NS_MNT] == 0);
}

int tty_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const TtyEntry *e = msg->tty;
	struct tty_pty *p;
	int fd = e->kind == TTY_OTHER || held_outside(r, e) ? open_own(r, msg, hand) : -ENOENT;

	if (fd >= 0)
		return fd;
	if (e->kind == TTY_OTHER || fd != -ENOENT)
		return log_errno(
			fd, "%s: a terminal of the host; pass --shell-job or --inherit-fd 'fd[N]:tty[%x:%x]'",
			file_entry_name(msg), e->rdev, e->dev);
	fd = get_pty(r, msg, hand, &p);
	if (fd < 0)
		return log_errno(fd, "%s: opening %s", file_entry_name(msg), e->ptmx ?: "/dev/ptmx");
	fd = e->kind == TTY_MASTER ? open_master(r, msg, p) : open_slave(msg, p, hand);
	if (fd < 0)
		return log_errno(fd, "%s: opening it (pts/%u)", file_entry_name(msg), p->index);
	return fd;
}

/* The number of process group @pgrp in the pid namespace of @t. */
static int32_t group_number(const struct restore *r, const struct rtask *t, int32_t pgrp)
{
	const struct rtask *leader = restore_find_pid(r, pgrp);

	if (t->msg->n_ns_pids > 1 && leader && leader->msg->n_ns_pids == t->msg->n_ns_pids)
		return leader->msg->pid;
	return pgrp;
}

static int set_foreground(struct restore *r, const FileEntry *msg, int fd)
{
	const TtyState *s = msg->tty->state;
	struct rtask *t = s->has_sid ? restore_find_pid(r, s->sid) : NULL;
	const struct remote_call *c;
	int number, *pgrp, err;

	if (!t || !t->hand || !s->has_pgrp)
		return 0;
	err = remote_give_fds(t->hand, &fd, 1, &number);
	if (err < 0)
		return err;
	pgrp = remote_alloc(t->hand, sizeof(*pgrp));
	*pgrp = group_number(r, t, s->pgrp);
	c = remote_try(t->hand, SYS_ioctl, number, TIOCSPGRP, remote_addr(t->hand, pgrp));
	remote_call(t->hand, SYS_close, number);
	err = remote_run(t->hand);
	if (err >= 0 && c->ret < 0)
		log_warn("%s: foreground process group %d: %s", file_entry_name(msg), s->pgrp,
			 strerror(-(int)c->ret));
	return err;
}

/* What was under way. @fd is the state's own description; the slave is opened once more if there is a master.
 */
static int fill_queues(const TtyState *s, const struct tty_pty *p, int fd)
{
	_cleanup_close_ int own = -1;
	int slave = fd, err = 0;

	if (!s->has_to_slave && !s->has_to_master)
		return 0;
	if (p) {
		own = ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
		slave = own;
	}
	if (slave < 0)
		return -EIO;
	if (s->has_to_slave)
		err = tty_put_input(slave, (const char *)s->to_slave.data, s->to_slave.len);
	if (err >= 0 && s->has_to_master)
		err = tty_put_output(slave, (const char *)s->to_master.data, s->to_master.len);
	return err;
}

/* Attributes that would be in the way while descriptors are made. */
static int set_state(struct restore *r, const FileEntry *msg, int fd)
{
	const TtyState *s = msg->tty->state;
	struct tty_pty *p = pty_by_id(r->files, msg->tty->tty_id);
	int v = 1, err;

	if (ioctl(fd, TCSETS2, s->termios.data) < 0 || ioctl(fd, TIOCSWINSZ, s->winsize.data) < 0)
		return -errno;
	err = fill_queues(s, p, fd);
	if (err < 0)
		return err;
	if (s->packet && ioctl(fd, TIOCPKT, &v) < 0)
		return -errno;
	if (s->locked && ioctl(fd, TIOCSPTLCK, &v) < 0)
		return -errno;
	if (s->exclusive && ioctl(fd, TIOCEXCL) < 0)
		return -errno;
	if (p && s->has_uid && s->has_gid && s->has_mode) {
		_cleanup_close_ int slave =
			ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

		err = slave < 0 ? 0 : file_chown(r, slave, s->uid, s->gid);
		if (err < 0 || (slave >= 0 && fchmod(slave, s->mode & 07777) < 0))
			return err < 0 ? err : -errno;
	}
	return set_foreground(r, msg, fd);
}

int tty_finish(struct restore *r, const FileEntry *msg, int fd)
{
	int err = msg->tty->state && !(msg->tty->hung_up && msg->tty->kind != TTY_MASTER)
			  ? set_state(r, msg, fd)
			  : 0;

	if (err < 0)
		return log_errno(err, "%s: attributes of the terminal", file_entry_name(msg));
	return 0;
}

/* A slave that was hung up: nobody is to hold its master. */
static bool is_hung_up(const struct restore *r, uint32_t tty_id)
{
	for (uint32_t i = 1; i <= r->files->n; i++) {
		const FileEntry *o = files_entry(r, i);

		if (o->kind_case == FILE_ENTRY__KIND_TTY && o->tty->tty_id == tty_id &&
		    o->tty->kind == TTY_SLAVE)
			return o->tty->hung_up;
	}
	return false;
}

int tty_keep_masters(struct restore *r)
{
	struct file_store *s = r->files;
	int err = 0;

	for (size_t i = 0; i < s->n_ptys && err >= 0; i++) {
		struct tty_pty *p = &s->ptys[i];

		if (p->claimed || (p->tty_id && is_hung_up(r, p->tty_id))) {
			close_fd(&p->master);
			continue;
		}
#if HAVE_KEEPER
		err = keeper_add(r, take_fd(&p->master), p->name);
#else
		log_warn("tty %s: nobody holds its master", p->name);
#endif
	}
	return err;
}

void tty_foreground(pid_t pgrp)
{
	sigset_t ttou, old;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	for (int fd = 0; fd < 3; fd++) {
		if (!isatty(fd) || (pgrp && tcgetpgrp(fd) != getpgrp()))
			continue;
		tcsetpgrp(fd, pgrp ? pgrp : getpgrp());
		break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int files_ctty(struct restore *r, struct rtask *t)
{
	int32_t pid = t->msg->n_ns_pids ? t->msg->ns_pids[t->msg->n_ns_pids - 1] : t->msg->pid;
	int number, fd, err;

	for (uint32_t i = 1; r->files && i <= r->files->n; i++) {
		const FileEntry *o = files_entry(r, i);

		if (o->kind_case != FILE_ENTRY__KIND_TTY || !o->tty->state || !o->tty->state->has_sid ||
		    o->tty->state->sid != pid)
			continue;
		fd = files_get(r, i);
		err = fd < 0 ? fd : remote_give_fds(t->hand, &fd, 1, &number);
		if (err < 0)
			return err;
		remote_call(t->hand, SYS_ioctl, number, TIOCSCTTY, 0);
		remote_call(t->hand, SYS_close, number);
		err = remote_run(t->hand);
		return err < 0 ? log_errno(err, "%s: as controlling terminal of %d", file_entry_name(o), pid)
			       : 0;
	}
	return 0;
}
