/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "mnt/mountinfo.h"

struct peek {
	int ns_fd, user_fd, proc;
	const struct mount_list *list;
	struct mount *const *want;
	size_t n;
	int sock;
};

static pid_t child_start(int (*fn)(void *), void *data)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(-fn(data) & 0xff);
}

static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

int child_run(int (*fn)(void *data), void *data)
{
	pid_t pid = child_start(fn, data);

	return pid < 0 ? -errno : child_wait(pid);
}

static int enter(const struct peek *p)
{
	if (p->user_fd >= 0 && setns(p->user_fd, CLONE_NEWUSER) < 0)
		return -errno;
	return RET_NERRNO(setns(p->ns_fd, CLONE_NEWNS));
}

static int is_of(int fd, const struct mount *m)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == m->dev ? 0 : -EBUSY;
}

/* A handle of @m if it is the mount one sees at its mount point. */
static int open_visible(const struct mount *m)
{
	_cleanup_close_ int fd = open(m->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx sx;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (sx.stx_mnt_id != (uint64_t)m->id)
		return -ESTALE;
	return RET_NERRNO(open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
}

/*
 * Nearly always all are visible, and nothing has to be taken away: each umount2() would wait for RCU.
 * -EAGAIN: one is not, and nothing was sent.
 */
static int peek_visible(const struct peek *p)
{
	_cleanup_free_ int *fds = calloc(p->n + 1, sizeof(*fds));
	int err = fds ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->n && err >= 0; i++) {
		fds[i] = open_visible(p->want[i]);
		err = fds[i] < 0 ? -EAGAIN : is_of(fds[i], p->want[i]);
	}
	for (size_t i = p->n; i-- > 0 && err >= 0;)
		err = send_fds(p->sock, &fds[i], 1);
	return err; /* the child's end closes them */
}

/* In the child: from the last mount to the first, take a handle if wanted, then take it away. */
static int peel(const struct peek *p)
{
	size_t left = p->n;

	for (size_t i = p->list->n; i-- > 0 && left;) {
		const struct mount *m = p->list->m[i];
		_cleanup_close_ int fd = -1;
		int err;

		if (p->want[left - 1] == m) {
			fd = open_tree(AT_FDCWD, m->point,
				       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
			if (fd < 0)
				return -errno;
			err = is_of(fd, m);
			if (err >= 0)
				err = send_fds(p->sock, &fd, 1);
			if (err < 0)
				return err;
			left--;
		}
		umount2(m->point, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	return left ? -EINVAL : 0;
}

static int peek_child(void *data)
{
	const struct peek *p = data;
	int err = enter(p);

	if (err >= 0)
		err = peek_visible(p);
	if (err != -EAGAIN)
		return err;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return peel(p);
}

static int receive(const struct peek *p, int sock, int *fds)
{
	for (size_t i = p->n; i-- > 0;) {
		int err = recv_fds(sock, &fds[i], 1);

		if (err >= 0)
			continue;
		while (++i < p->n)
			close_fd(&fds[i]);
		return err;
	}
	return 0;
}

int mount_peek(int ns_fd, int user_fd, const struct mount_list *l, struct mount *const *want, size_t n,
	       int *ret_fds)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	struct peek p = { ns_fd, user_fd, -1, l, want, n, -1 };
	int sv[2], err, status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	ours = sv[0];
	p.sock = theirs = sv[1];
	pid = child_start(peek_child, &p);
	if (pid < 0)
		return -errno;
	close_fd(&theirs);
	err = receive(&p, ours, ret_fds);
	close_fd(&ours);
	status = child_wait(pid);
	return status < 0 ? status : err;
}

/* In the child: the host's /proc, as ours may not be mounted there. */
static int read_child(void *data)
{
	const struct peek *p = data;
	_cleanup_close_ int fd = -1;
	int err = enter(p);

	if (err < 0)
		return err;
	fd = openat(p->proc, "thread-self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return send_fds(p->sock, &fd, 1);
}

int mountinfo_read(int ns_fd, char **ret)
{
	_cleanup_close_ int ours = -1, theirs = -1, proc = -1, fd = -1;
	_cleanup_strbuf_ struct strbuf text = { 0 };
	struct peek p = { .ns_fd = ns_fd, .user_fd = -1 };
	int sv[2], err;

	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	ours = sv[0];
	p.sock = theirs = sv[1];
	p.proc = proc;
	err = child_run(read_child, &p);
	close_fd(&theirs);
	if (err >= 0)
		err = recv_fds(ours, &fd, 1);
	if (err >= 0)
		err = read_fd(fd, &text);
	if (err < 0)
		return err;
	*ret = strbuf_take(&text);
	return *ret ? 0 : -ENOMEM;
}
