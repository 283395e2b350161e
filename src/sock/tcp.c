/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP sockets, tcp(7): listening, unconnected; connections are in tcp_conn.c, those being made in
 * tcp_connect.c, those that are over in tcp_ended.c.
 *
 * Refused: connections without --tcp-established (or --tcp-close, which makes them unconnected
 * sockets), upper layers like TLS, authentication (TCP_MD5SIG: not seen before it connects or
 * listens). Connections that a listening socket has not accepted yet are in waiting.c; where they
 * cannot be read, refused for the moment (-EAGAIN; the engine lets no new ones in when it begins again,
 * net_gate()).
 */
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/log.h"
#include "netlock/netlock.h"
#include "sock/flowlabel.h"
#include "sock/inet.h"
#include "sock/kinds.h"
#include "sock/opts.h"
#include "sock/reuse.h"
#include "sock/sk.h"
#include "sock/sock.h"
#include "sock/waiting.h"

#define ULP_MAX 16
#define MAX_UNREAD (1U << 30)
#define REFUSAL_MAX 160
#define PATIENCE 8 /* attempts */
#define WAITING_REFUSED "%u TCP connections wait to be accepted (%s); pass --tcp-established or --tcp-close"

static bool tcp_match(const struct file_desc *f)
{
	return sk_is(f, AF_INET, SOCK_STREAM, IPPROTO_TCP) || sk_is(f, AF_INET6, SOCK_STREAM, IPPROTO_TCP);
}

static int tcp_info(int fd, struct tcp_info *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return RET_NERRNO(getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len));
}

bool tcp_state_connected(unsigned int state)
{
	return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
	       state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

static const char *peer_text(int fd)
{
	union sk_addr a;
	socklen_t len = sizeof(a);

	return getpeername(fd, &a.sa, &len) < 0 ? "?" : sk_addr_text(&a, len);
}

static bool has_ulp(int fd)
{
	char name[ULP_MAX];
	socklen_t len = sizeof(name);

	return getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &len) == 0 && len > 0;
}

/* Authentication by TCP-AO: TCP_AO_INFO of linux/tcp.h, 6.7. */
static bool has_ao(int fd)
{
	char info[64] = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, 40, info, &len) == 0;
}

/* Why it can never be restored, in @buf; NULL: it can. */
static const char *refusal(struct dump *d, const struct file_desc *f, int fd, char buf[REFUSAL_MAX])
{
	union sk_addr peer;
	int err;

	if (has_ulp(fd))
		return "TCP with an upper layer (TLS) in the kernel; close it";
	if (has_ao(fd))
		return "TCP with authentication (TCP-AO), which cannot be restored; close it";
	err = tcp_md5_peer(d, fd, f->st.st_ino, &peer);
	if (err != 1)
		return err < 0 ? "sock_diag does not answer" : NULL;
	snprintf(buf, REFUSAL_MAX,
		 "TCP MD5 signatures with %s (TCP_MD5SIG), which are not restored; close it",
		 sk_ip_text(&peer));
	return buf;
}

static int tcp_survey(struct dump *d, const struct file_desc *f)
{
	_cleanup_close_ int own = -1;
	int fd = sk_borrow(f, &own);
	struct tcp_info info;
	char buf[REFUSAL_MAX];
	const char *why;

	if (fd < 0 || tcp_info(fd, &info) < 0)
		return 0;
	why = refusal(d, f, fd, buf);
	if (why)
		return dump_obstacle(d, "%s: %s", file_desc_name(f), why);
	if (tcp_state_connected(info.tcpi_state) && !d->opt->tcp_established && !d->opt->tcp_close)
		return dump_obstacle(d, "%s: TCP connection with %s; pass --tcp-established or --tcp-close",
				     file_desc_name(f), peer_text(fd));
	if (info.tcpi_state == TCP_LISTEN && info.tcpi_unacked && !d->opt->tcp_established &&
	    !d->opt->tcp_close && !d->opt->skip_in_flight)
		return dump_obstacle(d, "%s: " WAITING_REFUSED, file_desc_name(f), info.tcpi_unacked,
				     waiting_peers(d, fd));
	return reuse_survey(d, f);
}

/* TCP_DEFER_ACCEPT may keep connections back. */
static bool has_deferred(const struct dump *d, const struct file_desc *f)
{
	return d->socks && d->socks->deferred && sk_int(f->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0;
}

static int dump_listening(struct dump *d, const struct file_desc *f, const struct tcp_info *info, TcpEntry *t)
{
	int err;

	t->listening = true;
	t->has_backlog = true;
	t->backlog = info->tcpi_sacked;
	if (!info->tcpi_unacked && !has_deferred(d, f))
		return 0;
	if (d->opt->skip_in_flight || d->opt->tcp_close) {
		log_warn("%s: %u connections that wait to be accepted are given up (%s)", file_desc_name(f),
			 info->tcpi_unacked, waiting_peers(d, f->fd));
		return 0;
	}
	if (!d->opt->tcp_established) {
		log_error("%s: " WAITING_REFUSED, file_desc_name(f), info->tcpi_unacked,
			  waiting_peers(d, f->fd));
		return -EOPNOTSUPP;
	}
	if (d->socks && d->socks->deferred && info->tcpi_unacked > info->tcpi_sacked &&
	    d->attempt < PATIENCE) {
		log_info("%s: more connections than its queue takes", file_desc_name(f));
		return -EAGAIN;
	}
	err = waiting_note(d, f, t->sock);
	if (err == -EBUSY)
		log_error("%s: %u connections wait to be accepted (%s), and packets that would put them back "
			  "are dropped by a filter in its network: let those marked 0x%x pass, or pass "
			  "--skip-in-flight",
			  file_desc_name(f), info->tcpi_unacked, waiting_peers(d, f->fd), NETLOCK_MARK);
	else if (err == -EAGAIN)
		log_error("%s: %u connections wait to be accepted; try again or pass --skip-in-flight",
			  file_desc_name(f), info->tcpi_unacked);
	return err == -EBUSY ? -EAGAIN : err;
}

/* What a listening socket with TCP_SAVE_SYN has kept, until it is asked for: asked with too little room, it
 * stays. */
static void warn_saved_syn(const struct file_desc *f)
{
	char c;
	socklen_t len = 0;

	if (sk_int(f->fd, IPPROTO_TCP, TCP_SAVE_SYN) > 0 &&
	    getsockopt(f->fd, IPPROTO_TCP, TCP_SAVED_SYN, &c, &len) < 0 && len)
		log_warn("%s: the headers of its first segment (TCP_SAVED_SYN, %u bytes) are lost",
			 file_desc_name(f), len);
}

static int dump_connected(struct dump *d, const struct file_desc *f, TcpEntry *t)
{
	/* The window is restored itself; its clamp moves with it. */
	opts_drop(t->sock, IPPROTO_TCP, TCP_WINDOW_CLAMP);
	opts_drop(t->sock, IPPROTO_TCP, TCP_MAXSEG);
	opts_drop(t->sock, IPPROTO_TCP, TCP_FASTOPEN_CONNECT); /* was for connect(2) */
	opts_drop(t->sock, IPPROTO_TCP, TCP_FASTOPEN_KEY); /* of listening sockets */
	if (d->opt->tcp_close)
		return 0;
	warn_saved_syn(f);
	if (d->opt->tcp_established)
		return tcp_conn_dump(d, f, t);
	log_error("%s: TCP connection with %s; pass --tcp-established or --tcp-close", file_desc_name(f),
		  peer_text(f->fd));
	return -EOPNOTSUPP;
}

/* Time stamps of sent data can be numbered while there is a connection only; then there is nothing to stamp.
 */
static void drop_numbering(SockEntry *s, int fd)
{
	if (!(sk_int(fd, SOL_SOCKET, SO_TIMESTAMPING_OLD) & SOF_TIMESTAMPING_OPT_ID))
		return;
	opts_drop(s, SOL_SOCKET, SO_TIMESTAMPING_OLD);
	opts_drop(s, SOL_SOCKET, SO_TIMESTAMPING_NEW);
}

static int dump_closed(struct dump *d, const struct file_desc *f, const struct tcp_info *info, TcpEntry *t)
{
	/* Where the owner set none, the size of the last connection is shown. */
	if (sk_int(f->fd, IPPROTO_TCP, TCP_MAXSEG) == (int)info->tcpi_snd_mss)
		opts_drop(t->sock, IPPROTO_TCP, TCP_MAXSEG);
	drop_numbering(t->sock, f->fd);
	return d->opt->tcp_close ? 0 : tcp_ended_dump(d, f, &t->ended);
}

static int dump_state(struct dump *d, const struct file_desc *f, TcpEntry *t)
{
	struct tcp_info info;
	int err = tcp_info(f->fd, &info);

	if (err < 0)
		return log_errno(err, "%s: TCP_INFO", file_desc_name(f));
	if (info.tcpi_state == TCP_LISTEN)
		return dump_listening(d, f, &info, t);
	if (info.tcpi_state == TCP_CLOSE)
		return dump_closed(d, f, &info, t);
	if (tcp_state_connected(info.tcpi_state))
		return dump_connected(d, f, t);
	if (info.tcpi_state == TCP_SYN_SENT)
		return tcp_connecting_dump(d, f, t);
	log_error("%s: is just connecting with %s; try again", file_desc_name(f), peer_text(f->fd));
	return -EAGAIN;
}

static int dump_entry(struct dump *d, const struct file_desc *f, TcpEntry *t)
{
	protobuf_c_boolean local, remote;
	char buf[REFUSAL_MAX];
	const char *why;
	int err;

	why = refusal(d, f, f->fd, buf);
	if (why) {
		log_error("%s: %s", file_desc_name(f), why);
		return -EOPNOTSUPP;
	}
	err = opts_dump(d, f, &t->sock);
	if (err == 0)
		err = reuse_dump(d, f, t->sock);
	if (err == 0)
		err = inet_dump_addrs(f, &t->local, &local, &t->remote, &remote);
	t->has_local = err == 0 && local;
	t->has_remote = err == 0 && remote;
	if (err == 0)
		err = flowlabel_dump(d, f, t->sock, &t->remote);
	if (err == 0 && !d->opt->skip_in_flight)
		err = tcp_in_flight(d, f, t->sock->net_ns_id);
	if (err == 0)
		err = dump_state(d, f, t);
	/* --tcp-close: nothing of the connection is left. */
	if (err == 0 && t->has_remote && !t->conn && !t->connecting)
		t->has_local = t->has_remote = false;
	return err;
}

static int tcp_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	TcpEntry *t = malloc(sizeof(*t));
	int err;

	if (!t)
		return log_oom();
	tcp_entry__init(t);
	err = dump_entry(d, f, t);
	if (err < 0) {
		tcp_entry__free_unpacked(t, NULL);
		return err;
	}
	msg->kind_case = FILE_ENTRY__KIND_TCP;
	msg->tcp = t;
	return 0;
}

static int tcp_deps(struct restore *r, const FileEntry *msg)
{
	const TcpEntry *t = msg->tcp;
	uint32_t domain = t->sock->domain;
	bool ok = (domain == AF_INET || domain == AF_INET6) && t->sock->type == SOCK_STREAM &&
		  (!t->has_local || sk_inet_addr_ok(&t->local, domain)) &&
		  (!t->has_remote || sk_inet_addr_ok(&t->remote, domain)) &&
		  (!t->listening || t->has_local) &&
		  (!t->conn || (t->has_local && t->has_remote && !t->listening && tcp_conn_ok(t->conn))) &&
		  (!t->connecting || (t->has_local && t->has_remote && !t->listening && !t->conn)) &&
		  (!t->ended ||
		   (!t->listening && !t->conn && !t->connecting && t->ended->unread.len <= MAX_UNREAD));

	if (ok)
		return opts_check(msg, t->sock) ?: reuse_deps(r, msg);
	log_error("%s: the image has no sane TCP socket here", file_entry_name(msg));
	return -EBADMSG;
}

static struct rtask *tcp_maker(struct restore *r, const FileEntry *msg)
{
	return sk_maker(r, msg->tcp->sock->net_ns_id);
}

/* Not one whose address the container has no more: that it is restored as closed is said once. */
static bool is_connection(const struct restore *r, const TcpEntry *t)
{
	union sk_addr a;
	ProtobufCBinaryData local = { .len = MIN(t->local.len, sizeof(a)), .data = (uint8_t *)&a };

	if (!t->conn || r->opt->tcp_close)
		return false;
	memcpy(&a, t->local.data, local.len);
	return !inet_follow(r, t->sock->net_ns_id, &local);
}

static void say_closed(const struct restore *r, const FileEntry *msg)
{
	const TcpEntry *t = msg->tcp;

	if (t->conn && !r->opt->tcp_close)
		log_warn("%s: TCP connection of %s with %s: restored as closed, --ip changes its address",
			 file_entry_name(msg), sk_addr_text(t->local.data, t->local.len),
			 sk_addr_text(t->remote.data, t->remote.len));
	else if (t->has_local)
		inet_follow(r, t->sock->net_ns_id, &t->local);
}

/*
 * With all options, as connections take them over. The port may be in use by connections of it:
 * they are in repair mode or to come, and sharing is allowed until it listens.
 */
static int restore_listening(struct restore *r, const FileEntry *msg, int fd)
{
	const TcpEntry *t = msg->tcp;
	int one = 1, old = sk_int(fd, SOL_SOCKET, SO_REUSEADDR);
	int err = opts_restore_late(r, msg, t->sock, fd);

	if (err < 0)
		return err;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = inet_bind(msg, &t->local, fd);
	if (err < 0)
		return err;
	if (listen(fd, t->backlog) < 0)
		return log_errno(errno, "%s: listen on %s", file_entry_name(msg),
				 sk_addr_text(t->local.data, t->local.len));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &old, sizeof(old));
	return 0;
}

static int tcp_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const TcpEntry *t = msg->tcp;
	_cleanup_close_ int fd = sk_make(msg, t->sock, hand);
	int err = fd < 0 ? fd : opts_restore_early(msg, t->sock, fd);

	if (err == 0)
		err = flowlabel_restore(msg, t->sock, fd);
	if (err < 0)
		return err;
	if (is_connection(r, t))
		return tcp_conn_restore(msg, t, fd) ?: take_fd(&fd);
	if (t->connecting)
		return tcp_connecting_restore(r, msg, fd) ?: take_fd(&fd);
	if (t->ended && !r->opt->tcp_close)
		return tcp_ended_restore(r, msg, fd, hand) ?: take_fd(&fd);
	say_closed(r, msg);
	if (t->listening)
		err = restore_listening(r, msg, fd);
	else if (!t->conn && t->has_local && !inet_addr_any(&t->local))
		err = inet_bind(msg, &t->local, fd);
	return err < 0 ? err : take_fd(&fd);
}

static int tcp_finish(struct restore *r, const FileEntry *msg, int fd)
{
	const TcpEntry *t = msg->tcp;
	int err;

	if (t->listening)
		return reuse_restore(msg, t->sock, fd);
	err = is_connection(r, t) ? tcp_conn_finish(msg, t, fd) : 0;
	if (err == 0)
		err = opts_restore_late(r, msg, t->sock, fd);
	if (err == 0 && t->connecting)
		err = tcp_connecting_finish(r, msg, fd);
	if (err == 0 && (is_connection(r, t) || t->ended))
		err = opts_restore_reuse(msg, t->sock, fd);
	if (err == 0 && is_connection(r, t))
		tcp_conn_room(t->conn, fd);
	return err < 0 ? err : reuse_restore(msg, t->sock, fd);
}

const struct file_ops tcp_ops = {
	.name = "TCP socket",
	.kind = FILE_ENTRY__KIND_TCP,
	.match = tcp_match,
	.survey = tcp_survey,
	.dump = tcp_dump,
	.deps = tcp_deps,
	.maker = tcp_maker,
	.restore = tcp_restore,
	.finish = tcp_finish,
};
