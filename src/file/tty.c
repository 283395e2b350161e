/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Terminals at the dump: pty masters and slaves, /dev/tty, and terminals of the host. tty_ioctl(4), pty(7).
 *
 * A terminal is (devpts instance, index). termios, window size, lock, packet mode by ioctl on the stolen
 * descriptor; the session whose controlling terminal it is by asking its leader's hand; what is under way by
 * tty_queue.c. Not carried over: /dev/tty as such (it comes back as the slave), output not read in packet
 * mode. Restore: tty_restore.c.
 */
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/major.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "file/kinds.h"
#include "file/table.h"
#include "file/tty_kind.h"
#include "file/tty_queue.h"
#include "mnt/mnt.h"

#define IS_PTS_MAJOR(m) ((m) >= UNIX98_PTY_SLAVE_MAJOR && (m) < UNIX98_PTY_SLAVE_MAJOR + 8)

static bool is_master(const struct file_desc *f)
{
	return f->st.st_rdev == makedev(TTYAUX_MAJOR, 2);
}

static bool tty_match(const struct file_desc *f)
{
	unsigned int maj = major(f->st.st_rdev);

	return S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) &&
	       (IS_PTS_MAJOR(maj) || maj == TTYAUX_MAJOR || maj == TTY_MAJOR);
}

/* A terminal, by identity. */
struct terminal {
	dev_t dev; /* st_dev of its devpts; of the node for others */
	uint32_t index;
	dev_t rdev; /* of the slave */
	bool pty;
};

/* st_dev of the devpts a master belongs to that was opened by a device node beside it ("/dev/ptmx"). */
static dev_t devpts_of(const struct file_desc *f)
{
	char path[PATH_MAX];
	const char *slash = strrchr(f->link, '/');
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root%.*s/pts/ptmx", f->task->pid,
		 slash ? (int)(slash - f->link) : 0, f->link);
	return stat(path, &st) < 0 ? f->st.st_dev : st.st_dev;
}

static dev_t real_device(const struct file_desc *f)
{
	unsigned int dev;

	if (f->fd < 0 || ioctl(f->fd, TIOCGDEV, &dev) < 0)
		return f->st.st_rdev; /* hung up */
	return makedev(dev >> 8 & 0xfff, (dev & 0xff) | (dev >> 12 & 0xfff00));
}

static void identify(struct dump *d, const struct file_desc *f, struct terminal *t)
{
	t->rdev = is_master(f) || f->st.st_rdev == makedev(TTYAUX_MAJOR, 0) ? real_device(f) : f->st.st_rdev;
	t->pty = IS_PTS_MAJOR(major(t->rdev));
	t->index = (major(t->rdev) - UNIX98_PTY_SLAVE_MAJOR) << 20 | minor(t->rdev);
	t->dev = is_master(f) && !strstr(f->link, "/pts/") ? devpts_of(f) : f->st.st_dev;
	if (f->st.st_rdev != makedev(TTYAUX_MAJOR, 0))
		return;
	/* /dev/tty: the devpts is that of another descriptor of the terminal. */
	for (size_t i = 0; d->files && i < d->files->n; i++) {
		const struct file_desc *o = d->files->descs[i];

		if (S_ISCHR(o->st.st_mode) && o->st.st_rdev == t->rdev)
			t->dev = o->st.st_dev;
	}
}

static bool same_terminal(const struct terminal *a, const struct terminal *b)
{
	return a->dev == b->dev && a->rdev == b->rdev;
}

static const struct file_desc *find_end(struct dump *d, const struct terminal *t, bool master)
{
	for (size_t i = 0; i < d->files->n; i++) {
		const struct file_desc *o = d->files->descs[i];
		struct terminal ot;

		if (!tty_match(o) || is_master(o) != master || o->st.st_rdev == makedev(TTYAUX_MAJOR, 0))
			continue;
		identify(d, o, &ot);
		if (same_terminal(&ot, t))
			return o;
	}
	return NULL;
}

static bool hangs_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

static int fill_ioctls(const struct file_desc *f, TtyState *s)
{
	struct termios2 tio;
	struct winsize ws;
	int v, err;

	if (ioctl(f->fd, TCGETS2, &tio) < 0 || ioctl(f->fd, TIOCGWINSZ, &ws) < 0)
		return -errno;
	err = binary_copy(&s->termios, &tio, sizeof(tio));
	if (err >= 0)
		err = binary_copy(&s->winsize, &ws, sizeof(ws));
	if (err < 0)
		return err;
	s->has_exclusive = ioctl(f->fd, TIOCGEXCL, &v) == 0;
	s->exclusive = s->has_exclusive && v;
	if (!is_master(f))
		return 0;
	s->has_locked = ioctl(f->fd, TIOCGPTLCK, &v) == 0;
	s->locked = s->has_locked && v;
	s->has_packet = ioctl(f->fd, TIOCGPKT, &v) == 0;
	s->packet = s->has_packet && v;
	return 0;
}

/* A process group as the dumped root sees it, of which at least one member is in the tree. */
static int group_to_ns(struct dump *d, pid_t pgrp, int32_t *ret)
{
	if (pid_to_ns(d, pgrp, ret) == 0)
		return 0;
	for (size_t i = 0; i < d->n_tasks; i++)
		if (getpgid(d->tasks[i]->pid) == pgrp)
			return pid_group_to_ns(d, d->tasks[i]->pid, ret);
	return -ESRCH;
}

/* Is the terminal behind our @fd the controlling one of @t? Asked by its hand. */
static bool controls(struct task *t, int fd)
{
	const struct remote_call *c;
	int number, *sid;

	if (remote_give_fds(t->hand, &fd, 1, &number) < 0)
		return false;
	sid = remote_alloc(t->hand, sizeof(*sid));
	c = remote_try(t->hand, SYS_ioctl, number, TIOCGSID, remote_addr(t->hand, sid));
	remote_call(t->hand, SYS_close, number);
	return remote_run(t->hand) >= 0 && c->ret == 0;
}

/* Fields 6, 7 and 8 of /proc/PID/stat: session, tty_nr, tpgid. */
static int read_session(const struct task *t, pid_t *ret_sid, dev_t *ret_tty, pid_t *ret_pgrp)
{
	_cleanup_free_ char *stat = NULL;
	int err = read_text_at(t->proc, "stat", &stat), sid, tpgid;
	unsigned int nr;

	if (err < 0)
		return err;
	if (sscanf(proc_stat_field(stat, 6) ?: "", "%d %u %d", &sid, &nr, &tpgid) != 3)
		return -EINVAL;
	*ret_sid = sid;
	*ret_tty = makedev(nr >> 8 & 0xfff, (nr & 0xff) | (nr >> 12 & 0xfff00));
	*ret_pgrp = tpgid;
	return 0;
}

static int fill_session(struct dump *d, const struct file_desc *slave, const struct terminal *t, TtyState *s)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *k = d->tasks[i];
		pid_t sid, pgrp;
		dev_t nr;

		if (!k->hand || read_session(k, &sid, &nr, &pgrp) < 0 || sid != k->pid || nr != t->rdev ||
		    !controls(k, slave->fd))
			continue;
		s->has_sid = pid_to_ns(d, sid, &s->sid) == 0;
		s->has_pgrp = pgrp > 0 && group_to_ns(d, pgrp, &s->pgrp) == 0;
		return 0;
	}
	return 0;
}

static int keep_bytes(ProtobufCBinaryData *to, protobuf_c_boolean *has, char *data, size_t len)
{
	if (!data)
		return 0;
	*to = binary_take(data, len);
	*has = true;
	return 0;
}

/* Typed and written data under way. */
static int fill_queues(struct dump *d, const struct terminal *t, TtyState *s)
{
	const struct file_desc *slave = find_end(d, t, false), *master = find_end(d, t, true);
	_cleanup_close_ int own = -1;
	char *data;
	size_t len;
	int err = 0;

	if (t->pty && slave)
		err = tty_peek_input(slave->fd, &data, &len);
	if (t->pty && slave && err >= 0)
		err = keep_bytes(&s->to_slave, &s->has_to_slave, data, len);
	if (err < 0 || !master || !slave)
		return err;
	if (s->packet) {
		if (ioctl(master->fd, FIONREAD, &err) == 0 && err > 0)
			log_warn("%s: output not read yet, in packet mode: lost", file_desc_name(master));
		return 0;
	}
	own = ioctl(master->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (own < 0)
		return 0; /* locked */
	err = tty_peek_output(master->fd, own, &data, &len);
	return err < 0 ? err : keep_bytes(&s->to_master, &s->has_to_master, data, len);
}

static int fill_state(struct dump *d, const struct file_desc *f, const struct terminal *t, TtyEntry *e)
{
	const struct file_desc *slave = is_master(f) ? find_end(d, t, false) : f;
	TtyState *s = e->state = MSG_NEW(TtyState, tty_state);
	int err;

	if (!s)
		return -ENOMEM;
	err = fill_ioctls(f, s);
	if (err >= 0)
		err = fill_queues(d, t, s);
	if (err < 0 || !slave)
		return err;
	if (t->pty) {
		s->has_uid = s->has_gid = s->has_mode = true;
		s->mode = slave->st.st_mode;
		err = file_owner(d, slave, &s->uid, &s->gid);
	}
	return err < 0 ? err : fill_session(d, slave, t, s);
}

/* The path of the node, and that of the ptmx beside it; a tty of the host that we only hold has neither. */
static int fill_path(struct dump *d, const struct file_desc *f, const struct terminal *t, TtyEntry *e)
{
	_cleanup_free_ char *link = strdup(f->link);
	char *del = link ? strstr(link, " (deleted)") : NULL;
	int err;

	if (!link)
		return -ENOMEM;
	if (del)
		*del = 0;
	err = mnt_resolve(d, f->task, f->mnt_id, link, &e->mnt_ns_id, &e->path);
	if (err == -ENOENT) {
		e->path = TAKE_PTR(link);
		e->mnt_ns_id = 0;
		return 0;
	}
	return err < 0 ? err : tty_find_ptmx(d, f, t->dev, &e->ptmx);
}

int tty_find_ptmx(struct dump *d, const struct file_desc *f, dev_t dev, char **ret)
{
	static const char *const usual[] = { "/dev/pts/ptmx", "/dev/ptmx" };
	_cleanup_close_ int root = file_root_open(d, f);
	const char *slash = strrchr(f->link, '/');
	_cleanup_free_ char *beside = xasprintf("%.*s/ptmx", slash ? (int)(slash - f->link) : 0, f->link);

	if (!beside)
		return -ENOMEM;
	for (size_t i = 0; i <= ARRAY_SIZE(usual); i++) {
		const char *path = i ? usual[i - 1] : beside;
		struct stat st;

		if (fstatat(root, path + 1, &st, 0) < 0 || st.st_dev != dev ||
		    st.st_rdev != makedev(TTYAUX_MAJOR, 2))
			continue;
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	return 0;
}

static bool tty_is_external(struct dump *d, const TtyEntry *e)
{
	char id[32];

	snprintf(id, sizeof(id), "%x:%x", e->rdev, e->dev);
	return options_external(d->opt, "tty", id) != NULL;
}

static int fill(struct dump *d, const struct file_desc *f, TtyEntry *e)
{
	struct terminal t;
	bool first, hung;
	int err;

	identify(d, f, &t);
	e->index = t.pty ? t.index : 0;
	e->rdev = t.rdev;
	e->dev = t.dev;
	e->kind = is_master(f) ? TTY_MASTER : t.pty ? TTY_SLAVE : TTY_OTHER;
	err = fill_path(d, f, &t, e);
	if (err < 0)
		return err;
	hung = hangs_up(f->fd);
	e->has_hung_up = e->hung_up = hung;
	e->has_master_outside = e->master_outside = e->kind == TTY_SLAVE && !hung && !find_end(d, &t, true);
	err = shared_id(d, map_mix(map_mix(t.dev, t.rdev), 0x747479), &e->tty_id, &first);
	if (err < 0 || !first || (hung && e->kind != TTY_MASTER))
		return err;
	return fill_state(d, f, &t, e);
}

#define OF_THE_HOST "is a terminal of the host; pass --shell-job, or start it without a terminal"

/* A terminal that cannot be made again: the host's own, unless a container shows it by a mount (LXC's
 * console). */
static bool is_refused(struct dump *d, const TtyEntry *e)
{
	if (d->opt->shell_job || tty_is_external(d, e))
		return false;
	return e->kind == TTY_OTHER || (e->master_outside && !d->tasks[0]->ns[NS_MNT]);
}

static int tty_survey(struct dump *d, const struct file_desc *f)
{
	TtyEntry e = TTY_ENTRY__INIT;
	struct terminal t;

	identify(d, f, &t);
	e.rdev = t.rdev;
	e.dev = t.dev;
	e.kind = is_master(f) ? TTY_MASTER : t.pty ? TTY_SLAVE : TTY_OTHER;
	e.master_outside = e.kind == TTY_SLAVE && !hangs_up(f->fd) && !find_end(d, &t, true);
	return is_refused(d, &e) ? dump_obstacle(d, "%s: " OF_THE_HOST, file_desc_name(f)) : 0;
}

static int tty_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	TtyEntry *e = MSG_NEW(TtyEntry, tty_entry);
	int err;

	if (!e)
		return log_oom();
	msg->tty = e;
	msg->kind_case = FILE_ENTRY__KIND_TTY;
	e->path = NULL;
	err = fill(d, f, e);
	if (err < 0)
		return log_errno(err, "%s: reading the terminal", file_desc_name(f));
	if (is_refused(d, e)) {
		log_error("%s: " OF_THE_HOST, file_desc_name(f));
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * A session may have a controlling terminal that nobody has open any more. It is opened once more through
 * its usual name, so that there is a description that remembers it.
 */
static int collect_one(struct dump *d, struct task *t, dev_t nr)
{
	uint32_t id;
	char path[64];
	struct stat st;
	int fd;

	for (size_t i = 0; i < d->files->n; i++)
		if (tty_match(d->files->descs[i]) && real_device(d->files->descs[i]) == nr)
			return 0;
	snprintf(path, sizeof(path), "root/dev/pts/%u", minor(nr));
	fd = openat(t->proc, path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		snprintf(path, sizeof(path), "root/dev/console");
		fd = openat(t->proc, path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_rdev != nr) {
		close_fd(&fd);
		log_warn("pid %d: its controlling terminal has no name in the container: lost", t->pid);
		return 0;
	}
	return files_add(d, t, fd, path + strlen("root"), &id);
}

int tty_collect_controlling(struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		pid_t sid, pgrp;
		dev_t nr;
		int err;

		if (d->tasks[i]->state == TASK_ZOMBIE || read_session(d->tasks[i], &sid, &nr, &pgrp) < 0 ||
		    !nr || sid != d->tasks[i]->pid)
			continue;
		err = collect_one(d, d->tasks[i], nr);
		if (err < 0)
			return err;
	}
	return 0;
}

const struct file_ops tty_ops = {
	.name = "terminal",
	.kind = FILE_ENTRY__KIND_TTY,
	.match = tty_match,
	.survey = tty_survey,
	.dump = tty_dump,
	.deps = tty_deps,
	.maker = tty_maker,
	.restore = tty_restore,
	.finish = tty_finish,
};
