/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <netinet/tcp.h>

#include "base/netns.h"
#include "sock/iter.h"
#include "sock/tcp_iter.h"

#define RECORD (-(int)sizeof(struct tcp_iter_sock)) /* on the stack */

/* Registers that calls leave alone. */
enum { CTX = BPF_REG_6, SEQ = BPF_REG_7, COMMON = BPF_REG_8, SOCK = BPF_REG_9 };

#define REQUEST 12 /* TCP_NEW_SYN_RECV of net/tcp_states.h */

struct field {
	const char *path; /* members, separated by dots */
	uint8_t size; /* of one load */
	uint8_t n; /* loads */
	uint8_t to; /* in the record */
};

#define FIELD(path, member)                                                                                  \
	{                                                                                                    \
		path, sizeof(((struct tcp_iter_sock *)0)->member), 1, offsetof(struct tcp_iter_sock, member) \
	}

/* include/net/sock.h: every kind of socket begins with it. */
static const struct field common_fields[] = {
	FIELD("skc_rcv_saddr", src),
	FIELD("skc_daddr", dst),
	FIELD("skc_bound_dev_if", ifindex),
	FIELD("skc_family", family),
	FIELD("skc_dport", dport),
	FIELD("skc_num", sport),
	FIELD("skc_state", state),
	FIELD("skc_reuse", reuse),
	FIELD("skc_reuseport", reuseport),
	{ "skc_v6_rcv_saddr", 4, 4, offsetof(struct tcp_iter_sock, src6) },
	{ "skc_v6_daddr", 4, 4, offsetof(struct tcp_iter_sock, dst6) },
};

/* include/linux/tcp.h */
static const struct field timewait_fields[] = {
	FIELD("tw_sk.__tw_common.skc_tw_rcv_nxt", rcv_next),
	FIELD("tw_sk.__tw_common.skc_tw_snd_nxt", snd_next),
	FIELD("tw_sk.tw_substate", substate),
	FIELD("tw_sk.tw_rcv_wscale", rcv_wscale),
	FIELD("tw_rcv_wnd", rcv_wnd),
	FIELD("tw_ts_offset", ts_offset),
	FIELD("tw_ts_recent", ts_recent),
};

static const struct field full_fields[] = {
	FIELD("snd_una", snd_una),
	FIELD("write_seq", snd_next),
	FIELD("rcv_nxt", rcv_next),
	FIELD("rcv_wnd", rcv_wnd),
	FIELD("tsoffset", ts_offset),
	FIELD("rx_opt.ts_recent", ts_recent),
	FIELD("rx_opt.mss_clamp", mss),
	FIELD("rx_opt.wscale_ok", wscale_ok),
	FIELD("rx_opt.sack_ok", sack_ok),
	FIELD("rx_opt.snd_wscale", snd_wscale),
	FIELD("rx_opt.rcv_wscale", rcv_wscale),
};

/* include/linux/tcp.h, net/inet_sock.h: what is to become a connection */
static const struct field request_fields[] = {
	FIELD("snt_isn", snd_next),	     FIELD("rcv_nxt", rcv_next),
	FIELD("ts_off", ts_offset),	     FIELD("req.req.ts_recent", ts_recent),
	FIELD("req.req.mss", mss),	     FIELD("req.wscale_ok", wscale_ok),
	FIELD("req.sack_ok", sack_ok),	     FIELD("req.snd_wscale", snd_wscale),
	FIELD("req.rcv_wscale", rcv_wscale), FIELD("req.acked", acked),
};

/* A bit field lies in one byte, or it is not what we know. */
static void emit_field(struct iter_prog *p, const char *type, const struct field *f, int src)
{
	struct iter_place at = { 0 };

	if (iter_find(p->btf, type, f->path, &at) < 0 ||
	    (at.width ? at.bit % 8 + at.width > 8
		      : btf__resolve_size(p->btf, at.type) != (int64_t)f->size * f->n))
		p->err = -EOPNOTSUPP;
	for (int i = 0; i < f->n; i++) {
		iter_ldx(p, f->size, BPF_REG_1, src, (int)at.bit / 8 + i * f->size);
		if (at.width) {
			iter_alu(p, BPF_RSH, BPF_REG_1, (int)at.bit % 8);
			iter_alu(p, BPF_AND, BPF_REG_1, (1 << at.width) - 1);
		}
		iter_stx(p, f->size, BPF_REG_1, RECORD + f->to + i * f->size);
	}
}

static void emit_fields(struct iter_prog *p, const char *type, const struct field *v, size_t n, int src)
{
	for (size_t i = 0; i < n; i++)
		emit_field(p, type, &v[i], src);
}

static void emit_write(struct iter_prog *p)
{
	iter_write(p, SEQ, RECORD);
	iter_exit(p);
}

/* SOCK: the socket as what it is. */
static void emit_cast(struct iter_prog *p, int function)
{
	iter_move(p, BPF_REG_1, COMMON);
	iter_call(p, function);
	iter_need(p, BPF_REG_0);
	iter_move(p, SOCK, BPF_REG_0);
}

static void emit_timewait(struct iter_prog *p)
{
	emit_cast(p, BPF_FUNC_skc_to_tcp_timewait_sock);
	emit_fields(p, "tcp_timewait_sock", timewait_fields, ARRAY_SIZE(timewait_fields), SOCK);
	emit_write(p);
}

static void emit_request(struct iter_prog *p)
{
	emit_cast(p, BPF_FUNC_skc_to_tcp_request_sock);
	emit_fields(p, "tcp_request_sock", request_fields, ARRAY_SIZE(request_fields), SOCK);
	emit_write(p);
}

/* Those that a descriptor reaches have a struct socket. */
static void emit_full(struct iter_prog *p)
{
	int jump;

	emit_cast(p, BPF_FUNC_skc_to_tcp_sock);
	iter_pointer(p, "tcp_sock", "inet_conn.icsk_inet.sk.sk_socket", BPF_REG_1, SOCK);
	jump = iter_jump(p, BPF_JEQ, BPF_REG_1, 0);
	iter_exit(p);
	iter_land(p, jump);
	emit_fields(p, "tcp_sock", full_fields, ARRAY_SIZE(full_fields), SOCK);
	emit_write(p);
}

static void assemble(struct iter_prog *p, int map)
{
	static const int states[] = { TCP_ESTABLISHED, TCP_CLOSE_WAIT, TCP_FIN_WAIT1,
				      TCP_FIN_WAIT2,   TCP_CLOSING,    TCP_LAST_ACK };
	int jumps[ARRAY_SIZE(states)], jump;

	_Static_assert(sizeof(struct tcp_iter_sock) % 8 == 0, "written as words");
	iter_move(p, CTX, BPF_REG_1);
	iter_pointer(p, "bpf_iter__tcp", "sk_common", COMMON, CTX);
	iter_need(p, COMMON);
	iter_pointer(p, "bpf_iter__tcp", "meta", BPF_REG_1, CTX);
	iter_pointer(p, "bpf_iter_meta", "seq", SEQ, BPF_REG_1);
	iter_alu(p, BPF_MOV, BPF_REG_1, 0);
	for (int off = RECORD; off < 0; off += 8)
		iter_stx(p, 8, BPF_REG_1, off);
	emit_fields(p, "sock_common", common_fields, ARRAY_SIZE(common_fields), COMMON);
	iter_ldx(p, 1, BPF_REG_1, BPF_REG_10, RECORD + (int)offsetof(struct tcp_iter_sock, state));
	jump = iter_jump(p, BPF_JNE, BPF_REG_1, TCP_TIME_WAIT);
	emit_timewait(p);
	iter_land(p, jump);
	jump = iter_jump(p, BPF_JNE, BPF_REG_1, REQUEST);
	emit_request(p);
	iter_land(p, jump);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		jumps[i] = iter_jump(p, BPF_JEQ, BPF_REG_1, states[i]);
	iter_exit(p);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		iter_land(p, jumps[i]);
	emit_full(p);
}

/* It reads the namespace of the thread that makes it. */
static int create(void *arg)
{
	return bpf_iter_create(*(const int *)arg);
}

struct reader {
	int (*fn)(void *arg, const struct tcp_iter_sock *s);
	void *arg;
};

static ssize_t read_record(void *arg, const void *data, size_t len)
{
	const struct reader *r = arg;
	struct tcp_iter_sock s;
	int err;

	if (len < sizeof(s))
		return 0;
	memcpy(&s, data, sizeof(s));
	err = r->fn(r->arg, &s);
	return err < 0 ? err : (ssize_t)sizeof(s);
}

int tcp_iter(int netns_fd, int (*fn)(void *arg, const struct tcp_iter_sock *s), void *arg)
{
	_cleanup_close_ int prog = iter_program("bpf_iter_tcp", assemble, -1), link = -1, iter = -1;
	struct reader r = { fn, arg };

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return link;
	iter = netns_call(netns_fd, create, &link);
	return iter < 0 ? iter : iter_read(iter, read_record, &r);
}
