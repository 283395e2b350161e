/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sock/iter.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define BUFFER (1U << 18)

static const struct btf_type *bare_type(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(btf, t->type);
	return t;
}

/* The member @name (@len) of @t, also inside of members without a name. */
static bool find_member(const struct btf *btf, const struct btf_type *t, const char *name, size_t len,
			struct iter_place *ret)
{
	for (uint32_t i = 0; t && btf_is_composite(t) && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const char *own = btf__name_by_offset(btf, m->name_off);
		struct iter_place in;

		if (own && *own && strncmp(own, name, len) == 0 && !own[len]) {
			*ret = (struct iter_place){ btf_member_bit_offset(t, i),
						    btf_member_bitfield_size(t, i), m->type };
			return true;
		}
		if (own && *own)
			continue;
		if (find_member(btf, bare_type(btf, m->type), name, len, &in)) {
			*ret = (struct iter_place){ btf_member_bit_offset(t, i) + in.bit, in.width, in.type };
			return true;
		}
	}
	return false;
}

int iter_find(const struct btf *btf, const char *type, const char *path, struct iter_place *ret)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	struct iter_place all = { .type = (uint32_t)id };

	if (id < 0)
		return -EOPNOTSUPP;
	while (*path) {
		size_t len = strcspn(path, ".");
		struct iter_place p;

		if (!find_member(btf, bare_type(btf, all.type), path, len, &p))
			return -EOPNOTSUPP;
		all = (struct iter_place){ all.bit + p.bit, p.width, p.type };
		path += len + (path[len] == '.');
	}
	*ret = all;
	return 0;
}

static void emit(struct iter_prog *p, struct bpf_insn insn)
{
	if (p->n == ITER_INSNS_MAX)
		p->err = -E2BIG;
	else
		p->v[p->n++] = insn;
}

void iter_alu(struct iter_prog *p, int op, int dst, int32_t imm)
{
	emit(p, (struct bpf_insn){ .code = BPF_ALU64 | op | BPF_K, .dst_reg = dst, .imm = imm });
}

void iter_move(struct iter_prog *p, int dst, int src)
{
	emit(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src });
}

void iter_call(struct iter_prog *p, int function)
{
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = function });
}

int iter_jump(struct iter_prog *p, int op, int reg, int32_t imm)
{
	emit(p, (struct bpf_insn){ .code = BPF_JMP | op | BPF_K, .dst_reg = reg, .imm = imm });
	return p->n - 1;
}

void iter_land(struct iter_prog *p, int jump)
{
	p->v[jump].off = (int16_t)(p->n - jump - 1);
}

void iter_exit(struct iter_prog *p)
{
	iter_alu(p, BPF_MOV, BPF_REG_0, 0);
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

void iter_need(struct iter_prog *p, int reg)
{
	int jump = iter_jump(p, BPF_JNE, reg, 0);

	iter_exit(p);
	iter_land(p, jump);
}

void iter_write(struct iter_prog *p, int seq, int off)
{
	iter_move(p, BPF_REG_1, seq);
	iter_move(p, BPF_REG_2, BPF_REG_10);
	iter_alu(p, BPF_ADD, BPF_REG_2, off);
	iter_alu(p, BPF_MOV, BPF_REG_3, -off);
	iter_call(p, BPF_FUNC_seq_write);
}

static int size_code(size_t size)
{
	return size == 1 ? BPF_B : size == 2 ? BPF_H : size == 4 ? BPF_W : BPF_DW;
}

void iter_ldx(struct iter_prog *p, size_t size, int dst, int src, int off)
{
	emit(p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | size_code(size),
				   .dst_reg = dst,
				   .src_reg = src,
				   .off = (int16_t)off });
}

void iter_stx(struct iter_prog *p, size_t size, int src, int off)
{
	emit(p, (struct bpf_insn){ .code = BPF_STX | BPF_MEM | size_code(size),
				   .dst_reg = BPF_REG_10,
				   .src_reg = src,
				   .off = (int16_t)off });
}

void iter_map(struct iter_prog *p, int dst, int map)
{
	emit(p, (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM,
				   .dst_reg = dst,
				   .src_reg = BPF_PSEUDO_MAP_VALUE,
				   .imm = map });
	emit(p, (struct bpf_insn){ 0 });
}

void iter_pointer(struct iter_prog *p, const char *type, const char *path, int dst, int src)
{
	struct iter_place at = { 0 };

	if (iter_find(p->btf, type, path, &at) < 0)
		p->err = -EOPNOTSUPP;
	iter_ldx(p, 8, dst, src, (int)at.bit / 8);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static int load(struct iter_prog *p, const char *hook)
{
	struct bpf_prog_load_opts opts = { .sz = sizeof(opts), .expected_attach_type = BPF_TRACE_ITER };
	int id = btf__find_by_name_kind(p->btf, hook, BTF_KIND_FUNC), fd;

	if (id < 0 || p->err < 0)
		return id < 0 ? -EOPNOTSUPP : p->err;
	opts.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "ctcr_iter", "GPL", p->v, (size_t)p->n, &opts);
	return fd == -EINVAL || fd == -EACCES || fd == -EPERM ? -EOPNOTSUPP : fd;
}

int iter_program(const char *hook, void (*assemble)(struct iter_prog *p, int map), int map)
{
	struct iter_prog p = { 0 };
	int fd;

	libbpf_set_print(quiet);
	p.btf = btf__parse(BTF_PATH, NULL);
	if (!p.btf)
		return errno == ENOMEM ? -ENOMEM : -EOPNOTSUPP;
	assemble(&p, map);
	fd = load(&p, hook);
	btf__free(p.btf);
	return fd;
}

bool iter_possible(void)
{
	return access(BTF_PATH, R_OK) == 0;
}

/* Whole records of @data to @fn; what they took. */
static ssize_t take_records(const char *data, size_t len, iter_record_fn fn, void *arg)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = fn(arg, data + done, len - done);

		if (n < 0)
			return n;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int iter_read(int fd, iter_record_fn fn, void *arg)
{
	_cleanup_free_ char *buf = malloc(BUFFER);
	size_t have = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, buf + have, BUFFER - have), done;

		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return got < 0 ? -errno : have ? -EIO : 0;
		have += (size_t)got;
		done = take_records(buf, have, fn, arg);
		if (done < 0)
			return (int)done;
		have -= (size_t)done;
		memmove(buf, buf + done, have);
	}
}
