/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "netlock/netlock.h"
#include "sock/reqsk_prog.h"

/* include/uapi/linux/bpf.h of 6.18 */
#define TCX_INGRESS 46
#define TCX_NEXT (-1)
#define TCX_BEFORE (1U << 3) /* BPF_F_BEFORE */

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"

/* Instructions; registers by number. */
#define INSN(c, d, s, o, i)                                                         \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(d, s, o) INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, o, 0)
#define STORE(d, s, o) INSN(BPF_STX | BPF_MEM | BPF_W, d, s, o, 0)
#define ZERO(d, o) INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, o, 0)
#define IF_EQ(d, i, to) INSN(BPF_JMP32 | BPF_JEQ | BPF_K, d, 0, to, i)
#define IF_NE(d, i, to) INSN(BPF_JMP32 | BPF_JNE | BPF_K, d, 0, to, i)
#define IF_NULL(d, to) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, to, 0)
#define IF_SAME(d, s, to) INSN(BPF_JMP32 | BPF_JEQ | BPF_X, d, s, to, 0)
#define IF_DIFFER(d, s, to) INSN(BPF_JMP32 | BPF_JNE | BPF_X, d, s, to, 0)
#define CALL(i) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define KERNEL(i) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, i)
#define MAP(d, i) INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, i), INSN(0, 0, 0, 0, 0)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define ORDER(field) ((int16_t)offsetof(struct reqsk_order, field))
#define SKB(field) ((int16_t)offsetof(struct __sk_buff, field))
#define KEY (-4) /* on the stack */
#define SEGMENT (-16)
#define OUT(at) (52 - (at)) /* the jump from instruction @at to the end, 53 */

/* The id the kernel's type information has for the function @name. */
static int kernel_function(const char *name)
{
	struct btf *btf = btf__parse(VMLINUX_BTF, NULL);
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) : -ENOENT;

	btf__free(btf);
	return id < 0 ? -EOPNOTSUPP : id;
}

/*
 * r6 packet, r7 order, r9 listening socket. A segment that is not the awaited one, or is refused by the
 * kernel, goes its ordinary way; so the answer to what is wrong is the stack's, and dies in the lock.
 */
static const struct bpf_insn program[] = {
	/*  0 */ MOV(6, 1),
	/*  1 */ LOAD(0, 6, SKB(mark)),
	/*  2 */ IF_NE(0, NETLOCK_MARK, OUT(2)),
	/*  3 */ ZERO(10, KEY),
	/*  4 */ MAP(1, 0),
	/*  6 */ MOV(2, 10),
	/*  7 */ ADD(2, KEY),
	/*  8 */ CALL(BPF_FUNC_map_lookup_elem),
	/*  9 */ IF_NULL(0, OUT(9)),
	/* 10 */ MOV(7, 0),
	/* by another link: sent there, and there taken as meant for us */
	/* 11 */ LOAD(1, 7, ORDER(link)),
	/* 12 */ IF_EQ(1, 0, 8),
	/* 13 */ LOAD(2, 6, SKB(ifindex)),
	/* 14 */ IF_SAME(1, 2, 3),
	/* 15 */ SET(2, BPF_F_INGRESS),
	/* 16 */ CALL(BPF_FUNC_redirect),
	/* 17 */ EXIT,
	/* 18 */ MOV(1, 6),
	/* 19 */ SET(2, 0 /* PACKET_HOST */),
	/* 20 */ CALL(BPF_FUNC_skb_change_type),
	/* the awaited one? */
	/* 21 */ LOAD(0, 7, ORDER(armed)),
	/* 22 */ IF_EQ(0, 0, OUT(22)),
	/* 23 */ MOV(1, 6),
	/* 24 */ LOAD(2, 7, ORDER(header)),
	/* 25 */ MOV(3, 10),
	/* 26 */ ADD(3, SEGMENT),
	/* 27 */ SET(4, 12),
	/* 28 */ SET(5, BPF_HDR_START_NET),
	/* 29 */ CALL(BPF_FUNC_skb_load_bytes_relative),
	/* 30 */ IF_NE(0, 0, OUT(30)),
	/* 31 */ LOAD(1, 10, SEGMENT),
	/* 32 */ LOAD(2, 7, ORDER(segment)),
	/* 33 */ IF_DIFFER(1, 2, OUT(33)),
	/* 34 */ LOAD(1, 10, SEGMENT + 4),
	/* 35 */ LOAD(2, 7, ORDER(segment) + 4),
	/* 36 */ IF_DIFFER(1, 2, OUT(36)),
	/* 37 */ MAP(1, 0),
	/* 39 */ MOV(2, 10),
	/* 40 */ ADD(2, KEY),
	/* 41 */ CALL(BPF_FUNC_map_lookup_elem),
	/* 42 */ IF_NULL(0, OUT(42)),
	/* 43 */ MOV(9, 0),
	/* 44 */ MOV(1, 6),
	/* 45 */ MOV(2, 9),
	/* 46 */ MOV(3, 7),
	/* 47 */ ADD(3, ORDER(attrs)),
	/* 48 */ SET(4, sizeof(struct reqsk_attrs)),
	/* 49 */ KERNEL(0),
	/* 50 */ STORE(7, 0, ORDER(result)),
	/* 51 */ MOV(1, 9),
	/* 52 */ CALL(BPF_FUNC_sk_release),
	/* 53 */ SET(0, TCX_NEXT),
	/* 54 */ EXIT,
};

/* Instructions to be completed. */
enum { INSN_ORDER = 4, INSN_LISTENER = 37, INSN_KERNEL = 49 };

static int load(const struct reqsk_prog *p, int function)
{
	struct bpf_insn insns[ARRAY_SIZE(program)];
	struct bpf_prog_load_opts opts = { .sz = sizeof(opts), .expected_attach_type = TCX_INGRESS };

	memcpy(insns, program, sizeof(insns));
	insns[INSN_ORDER].imm = p->order;
	insns[INSN_LISTENER].imm = p->listener;
	insns[INSN_KERNEL].imm = function;
	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ctcr_reqsk", "GPL", insns, ARRAY_SIZE(insns), &opts);
}

int reqsk_prog_load(struct reqsk_prog *ret)
{
	struct reqsk_prog p = { -1, -1, -1 };
	int function = kernel_function("bpf_sk_assign_tcp_reqsk"), err = function;

	if (function < 0)
		return function;
	p.order = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, sizeof(struct reqsk_order), 1, NULL);
	p.listener = bpf_map_create(BPF_MAP_TYPE_SOCKMAP, NULL, 4, 4, 1, NULL);
	err = p.order < 0 ? p.order : p.listener < 0 ? p.listener : 0;
	if (err >= 0)
		err = p.prog = load(&p, function);
	if (err < 0) {
		reqsk_prog_done(&p);
		return err;
	}
	*ret = p;
	return 0;
}

void reqsk_prog_done(struct reqsk_prog *p)
{
	close_fd(&p->prog);
	close_fd(&p->order);
	close_fd(&p->listener);
}

static int update(int map, const void *value)
{
	const uint32_t key = 0;

	return bpf_map_update_elem(map, &key, value, BPF_ANY);
}

int reqsk_prog_order(const struct reqsk_prog *p, const struct reqsk_order *order)
{
	return update(p->order, order);
}

int reqsk_prog_result(const struct reqsk_prog *p)
{
	const uint32_t key = 0;
	struct reqsk_order order;
	int err = bpf_map_lookup_elem(p->order, &key, &order);

	return err < 0 ? err : order.result;
}

int reqsk_prog_listener(const struct reqsk_prog *p, int listener)
{
	return update(p->listener, &listener);
}

int reqsk_prog_attach(const struct reqsk_prog *p, uint32_t index)
{
	struct bpf_link_create_opts opts = { .sz = sizeof(opts), .flags = TCX_BEFORE };

	return bpf_link_create(p->prog, (int)index, TCX_INGRESS, &opts); /* not a descriptor, for this type */
}
