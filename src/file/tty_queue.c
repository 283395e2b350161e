/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file/tty_queue.h"

#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "base/io.h"

#define MAX_QUEUE (1 << 16)

/* No echo, no signals, no translation; with or without lines. *@ret_old: to go back to. */
static int make_plain(int fd, bool lines, struct termios2 *ret_old)
{
	struct termios2 t;

	if (ioctl(fd, TCGETS2, &t) < 0)
		return -errno;
	*ret_old = t;
	t.c_iflag = 0;
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ECHOCTL | ECHOKE | ISIG | IEXTEN | TOSTOP);
	if (!lines) {
		t.c_lflag &= ~(tcflag_t)ICANON;
		t.c_cc[VMIN] = t.c_cc[VTIME] = 0;
	} else {
		t.c_cc[VERASE] = t.c_cc[VKILL] = 0;
	}
	return ioctl(fd, TCSETS2, &t) < 0 ? -errno : 0;
}

static int set_back(int fd, const struct termios2 *old, int err)
{
	return ioctl(fd, TCSETS2, old) < 0 && err >= 0 ? -errno : err;
}

static int read_queued(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *buf = NULL;
	int n = 0;
	ssize_t got;

	if (ioctl(fd, FIONREAD, &n) < 0)
		return -errno;
	*ret = NULL;
	*ret_len = 0;
	if (n <= 0)
		return 0;
	n = MIN(n, MAX_QUEUE);
	buf = malloc(n);
	if (!buf)
		return -ENOMEM;
	got = read(fd, buf, n);
	if (got < 0)
		return -errno;
	*ret_len = got;
	*ret = got ? TAKE_PTR(buf) : NULL;
	return 0;
}

static int type(int slave, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ioctl(slave, TIOCSTI, &data[i]) < 0)
			return -errno;
	return 0;
}

int tty_put_input(int slave, const char *data, size_t len)
{
	struct termios2 old;
	int err = make_plain(slave, true, &old);

	if (err < 0)
		return err;
	if (!(old.c_lflag & ICANON)) {
		struct termios2 unused;

		err = make_plain(slave, false, &unused);
	}
	if (err >= 0)
		err = type(slave, data, len);
	return set_back(slave, &old, err);
}

int tty_peek_input(int slave, char **ret, size_t *ret_len)
{
	struct termios2 old;
	int err = make_plain(slave, false, &old);

	if (err < 0)
		return err;
	err = read_queued(slave, ret, ret_len);
	err = set_back(slave, &old, err);
	return err >= 0 && *ret ? tty_put_input(slave, *ret, *ret_len) : err;
}

int tty_put_output(int slave, const char *data, size_t len)
{
	struct termios2 old;
	int err = make_plain(slave, true, &old);

	if (err < 0)
		return err;
	err = write_all(slave, data, len);
	return set_back(slave, &old, err);
}

int tty_peek_output(int master, int slave, char **ret, size_t *ret_len)
{
	int err = read_queued(master, ret, ret_len);

	return err >= 0 && *ret ? tty_put_output(slave, *ret, *ret_len) : err;
}
