/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: ttys whose node a mount shows (LXC binds /dev/console and /dev/ttyN from pts/N) must exist
 * before the mount. Their masters wait here until file/ takes them.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "mnt/mnt.h"
#include "mnt/store.h"

#define PTY_MAX 4096

/* A new pty of the devpts; *@ret_index is its number. */
static int open_master(struct remote *hand, int mount_fd, uint32_t *ret_index)
{
	_cleanup_close_ int master = -1;
	int unlock = 0;
	unsigned int n;
	long fd = remote_syscall(hand, SYS_openat, mount_fd, remote_str(hand, "ptmx"),
				 O_RDWR | O_NOCTTY | O_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	master = remote_take_fd(hand, fd);
	if (master < 0)
		return master;
	if (ioctl(master, TIOCGPTN, &n) < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	*ret_index = n;
	return take_fd(&master);
}

/* The kernel gives the lowest free number: take those below too, and give them back after. */
int pty_make(struct remote *hand, int mount_fd, uint32_t index, int *ret_master)
{
	int *below = NULL, err = 0;
	size_t n = 0;

	if (index >= PTY_MAX)
		return -ERANGE;
	for (;;) {
		uint32_t got = 0;
		int fd = open_master(hand, mount_fd, &got);

		if (fd >= 0 && got == index) {
			*ret_master = fd;
			break;
		}
		if (fd < 0 || got > index || !GROW(below, n)) {
			err = fd < 0 ? fd : got > index ? -EEXIST : -ENOMEM;
			cleanup_close(&fd);
			break;
		}
		below[n++] = fd;
	}
	for (size_t i = 0; i < n; i++)
		close(below[i]);
	free(below);
	return err;
}

int pty_make_host(uint32_t *ret_index)
{
	_cleanup_close_ int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0;
	unsigned int n;

	if (master < 0) /* ptmxmode=000 does not stop us, another layout may */
		master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCGPTN, &n) < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	*ret_index = n;
	return fd_high(take_fd(&master));
}

/* A devpts has one source; the host's ttys are of CONSOLE sources. */
int mnt_take_pty(struct restore *r, bool host, uint32_t index)
{
	struct mnt_store *s = r->mnts;

	for (size_t i = 0; s && i < s->n_ptys; i++) {
		const MntSourceEntry *msg = s->sources[s->ptys[i].source - 1].msg;

		if (s->ptys[i].index != index || s->ptys[i].master < 0)
			continue;
		if ((msg->kind == MNT_SOURCE_ENTRY__KIND__CONSOLE) == host)
			return take_fd(&s->ptys[i].master);
	}
	return -ENOENT;
}
