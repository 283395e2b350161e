/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at queued messages without taking them: MSG_PEEK, moved on with SO_PEEK_OFF (socket(7)),
 * which is put back as it was and only touched when there is more than one message.
 */
#include <sys/ioctl.h>

#include "sock/sk.h"

#define CONTROL_SIZE 8192

struct walk {
	int fd;
	bool stream;
	char *buf;
	size_t size;
	char control[CONTROL_SIZE];
	union sk_addr from;
	struct iovec iov;
	struct msghdr msg;
};

static void close_control(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int *fds = (int *)CMSG_DATA(c);

		/* SCM_RIGHTS, SCM_PIDFD */
		if (c->cmsg_level != SOL_SOCKET || (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != 4))
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
}

/* One message; its true length, which may be more than the buffer holds. */
static ssize_t peek(struct walk *w)
{
	w->iov = (struct iovec){ w->buf, w->size };
	w->msg = (struct msghdr){
		.msg_name = &w->from,
		.msg_namelen = sizeof(w->from),
		.msg_iov = &w->iov,
		.msg_iovlen = 1,
		.msg_control = w->control,
		.msg_controllen = sizeof(w->control),
	};
	return RET_NERRNO(recvmsg(w->fd, &w->msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC));
}

static int set_offset(struct walk *w, int off)
{
	return setsockopt(w->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0 ? -errno : 0;
}

int sk_peek_off(int fd)
{
	int off = -1;
	socklen_t len = sizeof(off);

	return getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) < 0 ? -1 : off;
}

/* TCP has offsets since Linux 6.9. */
ssize_t sk_peek(int fd, void *buf, size_t len)
{
	const int none = -1, off = sk_peek_off(fd);
	ssize_t n;

	if (off >= 0 && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none)) < 0)
		return -errno;
	n = RET_NERRNO(recv(fd, buf, len, MSG_PEEK | MSG_DONTWAIT));
	if (off >= 0 && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		return -errno;
	return n;
}

/* The message at the current offset, whole: 1, or 0 when there is none. */
static int peek_whole(struct walk *w, int off, ssize_t *ret_len)
{
	for (;;) {
		ssize_t n = peek(w);
		char *buf;

		if (n == -EAGAIN || n == -ENOTCONN || n == -EINVAL || (n == 0 && w->stream))
			return 0;
		if (n < 0)
			return n;
		if ((size_t)n <= w->size) {
			*ret_len = n;
			return 1;
		}
		close_control(&w->msg);
		buf = realloc(w->buf, n);
		if (!buf)
			return -ENOMEM;
		w->buf = buf;
		w->size = n;
		if (off >= 0 && set_offset(w, off) < 0)
			return -errno;
	}
}

static int walk_all(struct walk *w, int total, sk_queue_fn fn, void *arg)
{
	int off = 0, ret;
	ssize_t len = 0;

	for (;;) {
		ret = set_offset(w, off);
		if (ret == 0)
			ret = peek_whole(w, off, &len);
		if (ret <= 0)
			return ret;
		ret = fn(arg, &w->msg, len);
		close_control(&w->msg);
		if (ret < 0)
			return ret;
		off += len;
		if (w->stream && off >= total)
			return 0;
	}
}

/*
 * The head, looked at without an offset. An empty datagram has to be taken from here: with an offset
 * the kernel passes over empty ones it has shown before (__skb_try_recv_from_queue()), so that others
 * than the first are seen in one walk only.
 */
static int walk_head(struct walk *w, sk_queue_fn fn, void *arg)
{
	ssize_t n = peek(w);
	int ret = 1;

	if (n < 0)
		return n == -EAGAIN || n == -ENOTCONN || n == -EINVAL ? 0 : n;
	if (n == 0)
		ret = w->stream ? 0 : fn(arg, &w->msg, 0);
	close_control(&w->msg);
	return ret < 0 ? ret : n > 0 || !w->stream;
}

int sk_queue_walk(int fd, bool stream, sk_queue_fn fn, void *arg)
{
	_cleanup_free_ struct walk *w = calloc(1, sizeof(*w));
	int total = 0, old = sk_peek_off(fd), ret;

	if (!w)
		return -ENOMEM;
	if (ioctl(fd, FIONREAD, &total) < 0)
		total = 0;
	w->fd = fd;
	w->stream = stream;
	w->size = MAX(total, 4096);
	w->buf = malloc(w->size);
	ret = w->buf ? walk_head(w, fn, arg) : -ENOMEM;
	if (ret > 0) {
		ret = walk_all(w, total, fn, arg);
		set_offset(w, old);
	}
	free(w->buf);
	return ret;
}
