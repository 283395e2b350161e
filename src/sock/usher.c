/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that takes connections nobody has accepted out of the queues of listening sockets.
 *
 * accept(2) is the only way to read them, and it cannot be undone: closing what was accepted resets it. So
 * it is done by a child that outlives us: whatever becomes of us, it puts them back (reqsk.h), with what
 * arrived for them meanwhile. Tasks may run again by then; for them the queue is empty for a moment.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "sock/inet.h"
#include "sock/reqsk.h"
#include "sock/reuse.h"
#include "sock/sk.h"
#include "sock/waiting.h"

#define RECORD_MAX (1U << 30)
#define KEEP_MAX 64

enum { BACK = 'b', LET_GO = 'l' };

struct usher {
	pid_t pid;
	int sock; /* records, each after its length, the last of length 0 with an error; a word from us */
};

/* What the process knows. */
struct ushering {
	const struct dump *d;
	const struct waiting *w;
	int sock;
	struct guest {
		const struct waiting_at *at;
		int fd;
	} * guests; /* in the order they waited in */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	const int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Close all descriptors but @keep; it is sorted. */
static void close_others(int *keep, size_t n)
{
	unsigned int next = 3;

	qsort(keep, n, sizeof(*keep), compare);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if (keep[i] > (int)next)
			syscall(SYS_close_range, next, keep[i] - 1, 0);
		next = keep[i] + 1;
	}
	syscall(SYS_close_range, next, ~0U, 0);
}

static int keep_only(const struct ushering *u, const int *keep, size_t n_keep)
{
	const struct waiting *w = u->w;
	size_t n = 0;
	int *fds = calloc(u->d->n_tasks + n_keep + w->n_sockets + w->n_spaces * REQSK_FDS + 2, sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	for (size_t i = 0; i < u->d->n_tasks; i++)
		fds[n++] = u->d->tasks[i]->pidfd;
	for (size_t i = 0; i < n_keep; i++)
		fds[n++] = keep[i];
	for (size_t i = 0; i < w->n_sockets; i++)
		fds[n++] = w->sockets[i].fd;
	for (size_t i = 0; i < w->n_spaces; i++)
		n += reqsk_fds(w->spaces[i].q, fds + n);
	fds[n++] = u->sock;
	fds[n++] = log_fd();
	close_others(fds, n);
	free(fds);
	return 0;
}

static void entry_done(TcpWaitingEntry **e)
{
	if (*e)
		tcp_waiting_entry__free_unpacked(*e, NULL);
}

/* The connection as it is now; *@ret NULL: it was reset. */
static int read_guest(const struct guest *g, TcpWaitingEntry **ret)
{
	_cleanup_(entry_done) TcpWaitingEntry *e = malloc(sizeof(*e));
	int err, rcvbuf = sk_int(g->fd, SOL_SOCKET, SO_RCVBUF);

	if (!e)
		return -ENOMEM;
	tcp_waiting_entry__init(e);
	e->file_id = g->at->file_id;
	e->has_rcvbuf = rcvbuf > 0;
	e->rcvbuf = MAX(rcvbuf, 0);
	e->conn = malloc(sizeof(*e->conn));
	if (!e->conn)
		return -ENOMEM;
	tcp_conn_entry__init(e->conn);
	err = tcp_conn_read(g->fd, e->conn);
	if (e->conn->state == TCP_CLOSE) {
		*ret = NULL;
		return 0;
	}
	if (err >= 0)
		err = sk_dump_addr(g->fd, false, &e->local);
	if (err >= 0)
		err = sk_dump_addr(g->fd, true, &e->remote);
	if (err < 0)
		return log_errno(err, "file %u: TCP connection that waits there", e->file_id);
	*ret = TAKE_PTR(e);
	return 0;
}

static int send_record(int sock, const TcpWaitingEntry *e)
{
	uint32_t len = tcp_waiting_entry__get_packed_size(e);
	_cleanup_free_ uint8_t *buf = malloc(len);
	int err;

	if (!buf)
		return -ENOMEM;
	tcp_waiting_entry__pack(e, buf);
	err = write_all(sock, &len, sizeof(len));
	return err < 0 ? err : write_all(sock, buf, len);
}

/* One more guest. 1, or 0 when nobody waits any more. */
static int take_one(struct ushering *u, const struct waiting_at *at)
{
	_cleanup_(entry_done) TcpWaitingEntry *e = NULL;
	struct pollfd p = { .fd = at->fd, .events = POLLIN };
	struct guest g = { at, -1 };
	int err;

	/* The socket may be a blocking one, and tasks share its flags with us. */
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
		return 0;
	if (!GROW(u->guests, u->n))
		return -ENOMEM;
	g.fd = accept4(at->fd, NULL, NULL, SOCK_CLOEXEC);
	if (g.fd < 0)
		return errno == ECONNABORTED ? 1 : -errno;
	u->guests[u->n++] = g;
	err = read_guest(&g, &e);
	if (err >= 0 && e && !reqsk_state_ok(e->conn->state)) {
		log_error("file %u: TCP connection with %s in state %u waits there", at->file_id,
			  sk_addr_text(e->remote.data, e->remote.len), e->conn->state);
		return -EAGAIN;
	}
	if (err < 0)
		return err;
	if (e)
		return send_record(u->sock, e) ?: 1;
	log_info("file %u: a TCP connection that waits there was reset by its peer: left out", at->file_id);
	close(g.fd);
	u->n--;
	return 1;
}

static int take_all(struct ushering *u)
{
	int ret = 0;

	for (size_t i = 0; i < u->w->n_sockets && ret >= 0; i++)
		do
			ret = take_one(u, &u->w->sockets[i]);
		while (ret > 0);
	return ret;
}

/* Not where the program of its group sends it: it may choose anew each time. */
static int put_there(const struct waiting_at *at, const TcpWaitingEntry *e)
{
	int err;

	if (at->group)
		(void)reuse_choose(at->group, at->fd);
	err = reqsk_put(at->q, at->fd, e);
	if (at->group)
		(void)reuse_set(at->group, at->fd);
	return err;
}

/* As it is now: where nothing is locked, more may have come. */
static int put_back(const struct guest *g)
{
	_cleanup_(entry_done) TcpWaitingEntry *e = NULL;
	int err = read_guest(g, &e);

	if (err < 0)
		return err;
	close(g->fd); /* in repair mode: silently */
	return e ? put_there(g->at, e) : 0;
}

static int put_all(const struct ushering *u)
{
	int ret = 0;

	for (size_t i = 0; i < u->w->n_spaces; i++)
		(void)reqsk_begin(u->w->spaces[i].q);
	for (size_t i = 0; i < u->n; i++) {
		int err = put_back(&u->guests[i]);

		ret = err < 0 ? err : ret;
	}
	for (size_t i = 0; i < u->w->n_spaces; i++)
		reqsk_end(u->w->spaces[i].q);
	return ret;
}

static void usher_main(struct ushering *u, const int *keep, size_t n_keep)
{
	uint32_t end = 0;
	int32_t err;
	char word = 0;
	ssize_t n;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	err = keep_only(u, keep, n_keep);
	if (err >= 0)
		err = take_all(u);
	if (write_all(u->sock, &end, sizeof(end)) >= 0)
		(void)write_all(u->sock, &err, sizeof(err));
	do
		n = read(u->sock, &word, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1 && word == LET_GO)
		_exit(0);
	if (n != 1 && atomic_load(&u->d->fate->ending)) {
		steward_finish_kill(u->d);
		_exit(0);
	}
	err = put_all(u);
	if (n == 1)
		(void)write_all(u->sock, &err, sizeof(err));
	_exit(0);
}

int usher_start(const struct dump *d, const struct waiting *w, const int *keep, size_t n_keep,
		struct usher **ret)
{
	_cleanup_free_ struct usher *u = malloc(sizeof(*u));
	int fds[2];

	if (!u || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return u ? -errno : -ENOMEM;
	u->pid = fork();
	if (u->pid == 0) {
		struct ushering here = { .d = d, .w = w, .sock = fds[1] };

		usher_main(&here, keep, n_keep);
	}
	close(fds[1]);
	if (u->pid < 0) {
		int err = -errno;

		close(fds[0]);
		return err;
	}
	u->sock = fd_high(fds[0]);
	*ret = TAKE_PTR(u);
	return 0;
}

int usher_next(struct usher *u, TcpWaitingEntry **ret)
{
	_cleanup_free_ uint8_t *buf = NULL;
	uint32_t len;
	int32_t status;
	int err = read_all(u->sock, &len, sizeof(len));

	*ret = NULL;
	if (err >= 0 && !len) {
		err = read_all(u->sock, &status, sizeof(status));
		return err < 0 ? err : status;
	}
	if (err < 0 || len > RECORD_MAX)
		return err < 0 ? err : -EMSGSIZE;
	buf = malloc(len);
	if (!buf)
		return -ENOMEM;
	err = read_all(u->sock, buf, len);
	if (err < 0)
		return err;
	*ret = tcp_waiting_entry__unpack(NULL, len, buf);
	return *ret ? 0 : -ENOMEM;
}

int usher_end(struct usher *u, bool back)
{
	const char word = back ? BACK : LET_GO;
	int32_t status = 0;
	int err;

	if (!u)
		return 0;
	err = write_all(u->sock, &word, 1);
	if (err >= 0 && back)
		err = read_all(u->sock, &status, sizeof(status));
	close(u->sock);
	while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(u);
	return err < 0 ? err : status;
}
