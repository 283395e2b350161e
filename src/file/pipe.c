/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pipes and FIFOs: pipe(7), fifo(7). Size by F_GETPIPE_SZ; queued data by tee(2) into a pipe of ours, which
 * takes nothing away; packets (O_DIRECT) keep their borders. All ends of one pipe are made together, from
 * one helper end that is open for reading and writing until everybody has his own.
 * Not restored: which pages a queued byte came from (splice, vmsplice).
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "base/procfs.h"
#include "file/kinds.h"
#include "file/table.h"
#include "mnt/mnt.h"

#define PIPE_SALT 0x70697065ull

static bool is_unnamed(const struct file_desc *f)
{
	return startswith(f->link, "pipe:[");
}

static bool pipe_match(const struct file_desc *f)
{
	return S_ISFIFO(f->st.st_mode) && !(f->flags & O_PATH);
}

static int add_data(PipeEntry *e, const void *buf, size_t len)
{
	if (!GROW(e->data, e->n_data))
		return -ENOMEM;
	e->data[e->n_data] = (ProtobufCBinaryData){ 0 };
	if (binary_copy(&e->data[e->n_data], buf, len) < 0)
		return -ENOMEM;
	e->n_data++;
	return 0;
}

/* Each read of a packet pipe gives one packet, of any other all there is. */
static int read_copy(int fd, PipeEntry *e)
{
	_cleanup_free_ char *buf = malloc(e->size);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buf, e->size);
		int err;

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		err = add_data(e, buf, n);
		if (err < 0)
			return err;
	}
}

static int save_queue(const struct file_desc *f, PipeEntry *e)
{
	_cleanup_close_ int end = fd_reopen(f->fd, O_RDONLY | O_NONBLOCK), from = -1, to = -1;
	ssize_t n;
	int p[2];

	if (end < 0)
		return end;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	from = p[0];
	to = p[1];
	if (fcntl(to, F_SETPIPE_SZ, e->size) < 0)
		return -errno;
	n = tee(end, to, INT32_MAX, SPLICE_F_NONBLOCK);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	return n > 0 ? read_copy(from, e) : 0;
}

/* The other end is held by nobody in the tree, but by somebody. */
static bool other_end_outside(struct dump *d, const struct file_desc *f)
{
	struct pollfd p = { .fd = f->fd };
	bool reads = (f->flags & O_ACCMODE) == O_RDONLY;

	if ((f->flags & O_ACCMODE) == O_RDWR ||
	    file_has_end(d, f, (reads ? 1u << O_WRONLY : 1u << O_RDONLY) | 1u << O_RDWR))
		return false;
	return poll(&p, 1, 0) >= 0 && !(p.revents & (reads ? POLLHUP : POLLERR));
}

#define OUTSIDE                                                                                       \
	"its other end is outside the container; pass --external 'pipe[%llu]' here and --inherit-fd " \
	"'fd[N]:%s' at the restore"

static bool outside_is_fine(struct dump *d, const struct file_desc *f)
{
	char id[24];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)f->st.st_ino);
	return d->opt->criu || d->opt->shell_job || options_external(d->opt, "pipe", id);
}

static bool holds(pid_t pid, const char *link)
{
	_cleanup_close_ int proc = proc_open(pid);
	_cleanup_free_ int *fds = NULL;
	bool found = false;
	size_t n = 0;

	if (proc < 0 || proc_list(proc, "fd", &fds, &n) < 0)
		return false;
	for (size_t i = 0; i < n && !found; i++) {
		_cleanup_free_ char *text = NULL;
		char path[32];

		snprintf(path, sizeof(path), "fd/%d", fds[i]);
		found = readlink_at(proc, path, &text) == 0 && streq(text, link);
	}
	return found;
}

/* Some process that is neither in the tree nor ourselves has it open; else it may be in flight in a socket.
 */
static bool held_by_stranger(struct dump *d, const char *link)
{
	_cleanup_free_ int *pids = NULL;
	size_t n = 0;

	if (proc_list(AT_FDCWD, "/proc", &pids, &n) < 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (pids[i] != getpid() && !dump_find_task(d, pids[i]) && holds(pids[i], link))
			return true;
	return false;
}

static int pipe_survey(struct dump *d, const struct file_desc *f)
{
	if (!is_unnamed(f) || !other_end_outside(d, f) || outside_is_fine(d, f) ||
	    !held_by_stranger(d, f->link))
		return 0;
	return dump_obstacle(d, "%s: " OUTSIDE, file_desc_name(f), (unsigned long long)f->st.st_ino, f->link);
}

static int check_outside(struct dump *d, const struct file_desc *f, PipeEntry *e)
{
	if (!is_unnamed(f) || !other_end_outside(d, f))
		return 0;
	if (!outside_is_fine(d, f)) {
		log_error("%s: " OUTSIDE, file_desc_name(f), (unsigned long long)f->st.st_ino, f->link);
		return -EOPNOTSUPP;
	}
	e->has_external = e->external = true;
	return 0;
}

/* The name of a FIFO. */
static int fill_name(struct dump *d, const struct file_desc *f, PipeEntry *e)
{
	_cleanup_free_ char *path = NULL;
	enum path_state state;
	int err = file_path_state(d, f, &state, &path);

	if (err < 0)
		return err;
	if (state == PATH_HIDDEN || state == PATH_LINKED) {
		log_error("%s: its name is gone or leads elsewhere; close it", file_desc_name(f));
		return -EOPNOTSUPP;
	}
	e->has_mnt_ns_id = true;
	err = mnt_resolve(d, f->task, f->mnt_id, path, &e->mnt_ns_id, &e->path);
	if (err < 0)
		return log_errno(err, "%s: lies on a mount that is not the container's", file_desc_name(f));
	if (state != PATH_DELETED)
		return 0;
	e->has_ghost_id = true;
	return ghost_dump(d, f, &e->ghost_id);
}

static int fill(struct dump *d, const struct file_desc *f, PipeEntry *e)
{
	int size = fcntl(f->fd, F_GETPIPE_SZ), err;
	bool first;

	if (size < 0)
		return log_errno(errno, "%s: F_GETPIPE_SZ", file_desc_name(f));
	e->size = size;
	e->mode = f->st.st_mode;
	err = file_shared_id(d, f, PIPE_SALT, &e->pipe_id, &first);
	if (err >= 0)
		err = file_owner(d, f, &e->uid, &e->gid);
	if (err >= 0)
		err = is_unnamed(f) ? check_outside(d, f, e) : fill_name(d, f, e);
	if (err < 0 || !first)
		return err;
	err = e->external ? 0 : save_queue(f, e);
	if (err < 0)
		return log_errno(err, "%s: data in the pipe", file_desc_name(f));
	return 0;
}

/* Is some writer of this pipe in packet mode? */
static bool has_packet_writer(struct dump *d, const struct file_desc *f)
{
	const struct file_group *g = map_get(&d->files->groups, map_mix(f->st.st_dev, f->st.st_ino));

	for (size_t i = 0; g && i < g->n; i++)
		if (g->descs[i]->st.st_ino == f->st.st_ino && g->descs[i]->flags & O_DIRECT)
			return true;
	return false;
}

static int pipe_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	PipeEntry *e = MSG_NEW(PipeEntry, pipe_entry);
	int err;

	if (!e)
		return log_oom();
	msg->pipe = e;
	msg->kind_case = FILE_ENTRY__KIND_PIPE;
	err = fill(d, f, e);
	if (err < 0)
		return err;
	if (e->n_data) {
		e->has_packets = true;
		e->packets = e->n_data > 1 || has_packet_writer(d, f);
	}
	return 0;
}

static struct rtask *pipe_maker(struct restore *r, const FileEntry *msg)
{
	return msg->pipe->path ? maker_in_mnt(r, msg->pipe->mnt_ns_id) : &r->tasks[0];
}

static int pipe_deps(struct restore *r, const FileEntry *msg)
{
	const PipeEntry *e = msg->pipe;

	if (e->size > 1u << 31 || (e->path && e->path[0] != '/') ||
	    (e->has_ghost_id && !ghost_entry(r, e->ghost_id))) {
		log_error("%s: bad size, path or ghost; the image is damaged", file_entry_name(msg));
		return -EBADMSG;
	}
	if (e->external && !file_inherited(r, msg)) {
		log_error("%s: its other end was outside; pass --inherit-fd 'fd[N]:%s'", file_entry_name(msg),
			  msg->link);
		return -ENOLINK;
	}
	return 0;
}

/* pipe2() itself makes the first end of each direction (its F_GETFL differs from that of an opened one). */
static int make_pipe(struct restore *r, const PipeEntry *e)
{
	int p[2], err;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p[0] = fd_high(p[0]);
	p[1] = fd_high(p[1]);
	err = file_keep(r, keep_key(KEEP_PIPE_W, e->pipe_id), p[1]);
	if (err < 0) {
		close(p[0]);
		return err;
	}
	err = file_keep(r, keep_key(KEEP_PIPE_R, e->pipe_id), p[0]);
	return err < 0 ? err : fd_reopen(p[0], O_RDWR | O_NONBLOCK);
}

/* The helper end: an anonymous pipe, or the FIFO itself, open for both. */
static int open_helper(struct restore *r, const PipeEntry *e, struct remote *hand)
{

	if (e->has_ghost_id)
		return ghost_open(r, hand, e->ghost_id, e->path, O_RDWR | O_NONBLOCK);
	if (e->path)
		return hand_open(hand, e->path, O_RDWR | O_NONBLOCK);
	return make_pipe(r, e);
}

static int prepare(struct restore *r, const PipeEntry *e, int fd)
{
	int err;

	if (fcntl(fd, F_GETPIPE_SZ) != (int)e->size && fcntl(fd, F_SETPIPE_SZ, e->size) < 0)
		return -errno;
	if (e->path)
		return 0;
	err = file_chown(r, fd, e->uid, e->gid);
	if (err >= 0 && (e->mode & 07777) != 0600 && fchmod(fd, e->mode & 07777) < 0)
		err = -errno;
	return err;
}

static int fill_queue(const PipeEntry *e, int fd)
{
	_cleanup_close_ int to = e->n_data ? fd_reopen(fd, O_WRONLY | O_NONBLOCK) : -1;
	int err = 0;

	if (e->n_data && to < 0)
		return to;
	/* Only fcntl() sets it on a pipe, not open(). */
	if (e->n_data && e->packets && fcntl(to, F_SETFL, O_NONBLOCK | O_DIRECT) < 0)
		return -errno;
	for (size_t i = 0; i < e->n_data && err >= 0; i++)
		err = write_all(to, e->data[i].data, e->data[i].len);
	return err;
}

static int helper_end(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const PipeEntry *e = msg->pipe;
	int fd = file_kept(r, keep_key(KEEP_PIPE, e->pipe_id)), err;
	struct stat st;

	if (fd >= 0)
		return fd;
	fd = open_helper(r, e, hand);
	if (fd < 0)
		return fd;
	fd = fd_high(fd);
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		err = -ESTALE;
	else
		err = prepare(r, e, fd);
	if (err < 0) {
		close(fd);
		return err;
	}
	err = file_keep(r, keep_key(KEEP_PIPE, e->pipe_id), fd);
	return err < 0 ? err : fd;
}

static int pipe_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const PipeEntry *e = msg->pipe;
	int fd, err, helper = helper_end(r, msg, hand);

	if (helper < 0)
		return log_errno(helper, "%s: making it", file_entry_name(msg));
	err = fill_queue(e, helper);
	if (err < 0)
		return log_errno(err, "%s: filling it", file_entry_name(msg));
	fd = -ENOENT;
	if ((msg->flags & O_ACCMODE) != O_RDWR)
		fd = file_unkeep(r, keep_key((msg->flags & O_ACCMODE) == O_RDONLY ? KEEP_PIPE_R : KEEP_PIPE_W,
					     e->pipe_id));
	/* O_NONBLOCK: to open a FIFO without waiting for its other end. */
	if (fd < 0)
		fd = fd_reopen(helper, (int)(msg->flags & O_ACCMODE) | O_NONBLOCK);
	if (fd < 0)
		return log_errno(fd, "%s: opening this end", file_entry_name(msg));
	return fd;
}

/* All ends are there: without the helper, readers see end-of-file and writers EPIPE where they should. */
static int pipe_finish(struct restore *r, const FileEntry *msg, int fd)
{
	for (enum keep_kind k = KEEP_PIPE; k <= KEEP_PIPE_W; k++) {
		int helper = file_unkeep(r, keep_key(k, msg->pipe->pipe_id));

		close_fd(&helper);
	}
	return 0;
}

const struct file_ops pipe_ops = {
	.name = "pipe",
	.kind = FILE_ENTRY__KIND_PIPE,
	.match = pipe_match,
	.survey = pipe_survey,
	.dump = pipe_dump,
	.deps = pipe_deps,
	.maker = pipe_maker,
	.restore = pipe_restore,
	.finish = pipe_finish,
};
