/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <netinet/tcp.h>

#include "base/netns.h"
#include "sock/tcp_iter.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define INSNS_MAX 256
#define RECORD (-(int)sizeof(struct tcp_iter_sock)) /* on the stack */
#define BATCH 512

/* Registers that calls leave alone. */
enum { CTX = BPF_REG_6, SEQ = BPF_REG_7, COMMON = BPF_REG_8, SOCK = BPF_REG_9 };

struct program {
	struct btf *btf;
	struct bpf_insn v[INSNS_MAX];
	int n;
	int err; /* the first, -EOPNOTSUPP: a type or field is missing */
};

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

bool tcp_iter_possible(void)
{
	return access(BTF_PATH, R_OK) == 0;
}

static const struct btf_type *bare_type(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

struct place {
	uint32_t bit; /* from the beginning of the structure */
	uint32_t width; /* of a bit field; 0 */
	uint32_t type; /* id */
};

/* The member @name (@len) of @t, also inside of members without a name. */
static bool find_member(const struct btf *btf, const struct btf_type *t, const char *name, size_t len,
			struct place *ret)
{
	for (uint32_t i = 0; t && btf_is_composite(t) && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const char *own = btf__name_by_offset(btf, m->name_off);
		struct place in;

		if (own && *own && strncmp(own, name, len) == 0 && !own[len]) {
			*ret = (struct place){ btf_member_bit_offset(t, i), btf_member_bitfield_size(t, i),
					       m->type };
			return true;
		}
		if (own && *own)
			continue;
		if (find_member(btf, bare_type(btf, m->type), name, len, &in)) {
			*ret = (struct place){ btf_member_bit_offset(t, i) + in.bit, in.width, in.type };
			return true;
		}
	}
	return false;
}

static int find_path(const struct btf *btf, const char *type, const char *path, struct place *ret)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	struct place all = { .type = (uint32_t)id };

	if (id < 0)
		return -EOPNOTSUPP;
	while (*path) {
		size_t len = strcspn(path, ".");
		struct place p;

		if (!find_member(btf, bare_type(btf, all.type), path, len, &p))
			return -EOPNOTSUPP;
		all = (struct place){ all.bit + p.bit, p.width, p.type };
		path += len + (path[len] == '.');
	}
	*ret = all;
	return 0;
}

static void emit(struct program *p, struct bpf_insn insn)
{
	if (p->n == INSNS_MAX)
		p->err = -E2BIG;
	else
		p->v[p->n++] = insn;
}

static void emit_alu(struct program *p, int op, int dst, int32_t imm)
{
	emit(p, (struct bpf_insn){ .code = BPF_ALU64 | op | BPF_K, .dst_reg = dst, .imm = imm });
}

static void emit_move(struct program *p, int dst, int src)
{
	emit(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src });
}

static void emit_call(struct program *p, int function)
{
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = function });
}

/* A jump if @reg is (BPF_JEQ) or is not (BPF_JNE) @imm; its target comes later. */
static int emit_jump(struct program *p, int op, int reg, int32_t imm)
{
	emit(p, (struct bpf_insn){ .code = BPF_JMP | op | BPF_K, .dst_reg = reg, .imm = imm });
	return p->n - 1;
}

static void land_here(struct program *p, int jump)
{
	p->v[jump].off = (int16_t)(p->n - jump - 1);
}

static void emit_exit(struct program *p)
{
	emit_alu(p, BPF_MOV, BPF_REG_0, 0);
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

static int size_code(size_t size)
{
	return size == 1 ? BPF_B : size == 2 ? BPF_H : size == 4 ? BPF_W : BPF_DW;
}

static void emit_load(struct program *p, size_t size, int dst, int src, int off)
{
	emit(p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | size_code(size),
				   .dst_reg = dst,
				   .src_reg = src,
				   .off = (int16_t)off });
}

static void emit_store(struct program *p, size_t size, int src, int off)
{
	emit(p, (struct bpf_insn){ .code = BPF_STX | BPF_MEM | size_code(size),
				   .dst_reg = BPF_REG_10,
				   .src_reg = src,
				   .off = (int16_t)off });
}

/* The member @path of the @type that @src points at. */
static void emit_pointer(struct program *p, const char *type, const char *path, int dst, int src)
{
	struct place at = { 0 };

	if (find_path(p->btf, type, path, &at) < 0)
		p->err = -EOPNOTSUPP;
	emit_load(p, 8, dst, src, (int)at.bit / 8);
}

/* A bit field lies in one byte, or it is not what we know. */
static void emit_field(struct program *p, const char *type, const struct field *f, int src)
{
	struct place at = { 0 };

	if (find_path(p->btf, type, f->path, &at) < 0 ||
	    (at.width ? at.bit % 8 + at.width > 8
		      : btf__resolve_size(p->btf, at.type) != (int64_t)f->size * f->n))
		p->err = -EOPNOTSUPP;
	for (int i = 0; i < f->n; i++) {
		emit_load(p, f->size, BPF_REG_1, src, (int)at.bit / 8 + i * f->size);
		if (at.width) {
			emit_alu(p, BPF_RSH, BPF_REG_1, (int)at.bit % 8);
			emit_alu(p, BPF_AND, BPF_REG_1, (1 << at.width) - 1);
		}
		emit_store(p, f->size, BPF_REG_1, RECORD + f->to + i * f->size);
	}
}

static void emit_fields(struct program *p, const char *type, const struct field *v, size_t n, int src)
{
	for (size_t i = 0; i < n; i++)
		emit_field(p, type, &v[i], src);
}

static void emit_write(struct program *p)
{
	emit_move(p, BPF_REG_1, SEQ);
	emit_move(p, BPF_REG_2, BPF_REG_10);
	emit_alu(p, BPF_ADD, BPF_REG_2, RECORD);
	emit_alu(p, BPF_MOV, BPF_REG_3, sizeof(struct tcp_iter_sock));
	emit_call(p, BPF_FUNC_seq_write);
	emit_exit(p);
}

/* SOCK: the socket as what it is. */
static void emit_cast(struct program *p, int function)
{
	int jump;

	emit_move(p, BPF_REG_1, COMMON);
	emit_call(p, function);
	jump = emit_jump(p, BPF_JNE, BPF_REG_0, 0);
	emit_exit(p);
	land_here(p, jump);
	emit_move(p, SOCK, BPF_REG_0);
}

static void emit_timewait(struct program *p)
{
	emit_cast(p, BPF_FUNC_skc_to_tcp_timewait_sock);
	emit_fields(p, "tcp_timewait_sock", timewait_fields, ARRAY_SIZE(timewait_fields), SOCK);
	emit_write(p);
}

/* Those that a descriptor reaches have a struct socket. */
static void emit_full(struct program *p)
{
	int jump;

	emit_cast(p, BPF_FUNC_skc_to_tcp_sock);
	emit_pointer(p, "tcp_sock", "inet_conn.icsk_inet.sk.sk_socket", BPF_REG_1, SOCK);
	jump = emit_jump(p, BPF_JEQ, BPF_REG_1, 0);
	emit_exit(p);
	land_here(p, jump);
	emit_fields(p, "tcp_sock", full_fields, ARRAY_SIZE(full_fields), SOCK);
	emit_write(p);
}

static void assemble(struct program *p)
{
	static const int closing[] = { TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSING, TCP_LAST_ACK };
	int jumps[ARRAY_SIZE(closing)], jump;

	_Static_assert(sizeof(struct tcp_iter_sock) % 8 == 0, "written as words");
	emit_move(p, CTX, BPF_REG_1);
	emit_pointer(p, "bpf_iter__tcp", "sk_common", COMMON, CTX);
	jump = emit_jump(p, BPF_JNE, COMMON, 0);
	emit_exit(p);
	land_here(p, jump);
	emit_pointer(p, "bpf_iter__tcp", "meta", BPF_REG_1, CTX);
	emit_pointer(p, "bpf_iter_meta", "seq", SEQ, BPF_REG_1);
	emit_alu(p, BPF_MOV, BPF_REG_1, 0);
	for (int off = RECORD; off < 0; off += 8)
		emit_store(p, 8, BPF_REG_1, off);
	emit_fields(p, "sock_common", common_fields, ARRAY_SIZE(common_fields), COMMON);
	emit_load(p, 1, BPF_REG_1, BPF_REG_10, RECORD + (int)offsetof(struct tcp_iter_sock, state));
	jump = emit_jump(p, BPF_JNE, BPF_REG_1, TCP_TIME_WAIT);
	emit_timewait(p);
	land_here(p, jump);
	for (size_t i = 0; i < ARRAY_SIZE(closing); i++)
		jumps[i] = emit_jump(p, BPF_JEQ, BPF_REG_1, closing[i]);
	emit_exit(p);
	for (size_t i = 0; i < ARRAY_SIZE(closing); i++)
		land_here(p, jumps[i]);
	emit_full(p);
}

static int load(struct program *p)
{
	struct bpf_prog_load_opts opts = { .sz = sizeof(opts), .expected_attach_type = BPF_TRACE_ITER };
	int id = btf__find_by_name_kind(p->btf, "bpf_iter_tcp", BTF_KIND_FUNC), fd;

	if (id < 0)
		return -EOPNOTSUPP;
	assemble(p);
	if (p->err < 0)
		return p->err;
	opts.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "ctcr_tcp", "GPL", p->v, (size_t)p->n, &opts);
	return fd == -EINVAL || fd == -EACCES || fd == -EPERM ? -EOPNOTSUPP : fd;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static int load_program(void)
{
	struct program p = { 0 };
	int fd;

	libbpf_set_print(quiet);
	p.btf = btf__parse(BTF_PATH, NULL);
	if (!p.btf)
		return errno == ENOMEM ? -ENOMEM : -EOPNOTSUPP;
	fd = load(&p);
	btf__free(p.btf);
	return fd;
}

/* It reads the namespace of the thread that makes it. */
static int create(void *arg)
{
	return bpf_iter_create(*(const int *)arg);
}

static int read_records(int fd, int (*fn)(void *arg, const struct tcp_iter_sock *s), void *arg)
{
	_cleanup_free_ struct tcp_iter_sock *v = calloc(BATCH, sizeof(*v));
	size_t have = 0;

	if (!v)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, (char *)v + have, BATCH * sizeof(*v) - have);
		size_t n;

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return got < 0 ? -errno : have ? -EIO : 0;
		n = (have + (size_t)got) / sizeof(*v);
		for (size_t i = 0; i < n; i++) {
			int err = fn(arg, &v[i]);

			if (err < 0)
				return err;
		}
		have = (have + (size_t)got) % sizeof(*v);
		memmove(v, v + n, have);
	}
}

int tcp_iter(int netns_fd, int (*fn)(void *arg, const struct tcp_iter_sock *s), void *arg)
{
	_cleanup_close_ int prog = load_program(), link = -1, iter = -1;

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return link;
	iter = netns_call(netns_fd, create, &link);
	return iter < 0 ? iter : read_records(iter, fn, arg);
}
