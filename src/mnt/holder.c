/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mnt/holder.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/syscalls.h"
#include "mnt/child.h"

#define ATTRS_ALL 0x2000ffULL /* MOUNT_ATTR_*, the mode of atime as a whole */

struct request {
	uint32_t clone; /* 0: put, a descriptor follows */
	uint32_t id, is_dir;
	uint64_t attrs;
	char rel[PATH_MAX];
};

/* A tmpfs becomes our root; nothing of the host's mounts remains. */
static int make_stage(void)
{
	_cleanup_close_ int fs = -1, stage = -1;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	stage = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (stage < 0 || move_mount(stage, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	if (fchdir(stage) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	return 0;
}

static int put(const struct request *q, int fd)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", q->id);
	if ((q->is_dir ? mkdir(name, 0700) : mknod(name, S_IFREG | 0600, 0)) < 0)
		return -errno;
	return RET_NERRNO(move_mount(fd, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH));
}

static int clone_part(const struct request *q)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH };
	struct mount_attr attr = { .attr_clr = ATTRS_ALL, .attr_set = q->attrs };
	_cleanup_close_ int whole = -1, part = -1, tree = -1;
	char name[16];

	snprintf(name, sizeof(name), "%u", q->id);
	whole = open(name, O_PATH | O_CLOEXEC);
	if (whole < 0)
		return -errno;
	if (q->rel[0]) {
		part = syscall(SYS_openat2, whole, q->rel, &how, sizeof(how));
		if (part < 0)
			return -errno;
	}
	tree = open_tree(part >= 0 ? part : whole, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return take_fd(&tree);
}

/* One request, its answer; an error ends us. */
static int serve_one(int sock, const struct request *q)
{
	_cleanup_close_ int fd = -1;
	int answer, err;

	if (!q->clone) {
		err = recv_fds(sock, &fd, 1);
		if (err < 0)
			return err;
		answer = put(q, fd);
	} else {
		fd = clone_part(q);
		answer = fd < 0 ? fd : 0;
	}
	err = write_all(sock, &answer, sizeof(answer));
	return err >= 0 && q->clone && fd >= 0 ? send_fds(sock, &fd, 1) : err;
}

static int serve(int sock)
{
	struct request q;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sock > 3)
		close_range(3, sock - 1, 0);
	close_range(sock + 1, ~0U, 0);
	err = make_stage();
	if (write_all(sock, &err, sizeof(err)) < 0)
		return err;
	while (err >= 0 && recv(sock, &q, sizeof(q), 0) == sizeof(q)) {
		q.rel[sizeof(q.rel) - 1] = 0;
		err = serve_one(sock, &q);
	}
	return err;
}

static int answer_of(const struct holder *h)
{
	int answer, err = read_all(h->sock, &answer, sizeof(answer));

	return err < 0 ? err : answer;
}

int holder_start(struct holder *h)
{
	int sv[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	pid = fork();
	if (!pid) {
		close(sv[0]);
		_exit(-serve(sv[1]) & 0xff);
	}
	close(sv[1]);
	if (pid < 0) {
		err = -errno;
		close(sv[0]);
		return err;
	}
	*h = (struct holder){ pid, fd_high(sv[0]) };
	err = answer_of(h);
	if (err < 0)
		holder_stop(h);
	return err;
}

int holder_put(struct holder *h, uint32_t id, bool is_dir, int fd)
{
	struct request q = { .id = id, .is_dir = is_dir };
	int err = write_all(h->sock, &q, sizeof(q));

	if (err >= 0)
		err = send_fds(h->sock, &fd, 1);
	return err < 0 ? err : answer_of(h);
}

int holder_clone(struct holder *h, uint32_t id, const char *rel, uint64_t attrs)
{
	struct request q = { .clone = 1, .id = id, .attrs = attrs };
	int err, fd = -1;

	if (strlen(rel) >= sizeof(q.rel))
		return -ENAMETOOLONG;
	memcpy(q.rel, rel, strlen(rel) + 1);
	err = write_all(h->sock, &q, sizeof(q));
	if (err >= 0)
		err = answer_of(h);
	if (err >= 0)
		err = recv_fds(h->sock, &fd, 1);
	return err < 0 ? err : fd_high(fd);
}

void holder_stop(struct holder *h)
{
	if (h->sock < 0)
		return;
	shutdown(h->sock, SHUT_RDWR); /* others may have inherited it */
	close_fd(&h->sock);
	while (waitpid(h->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}
