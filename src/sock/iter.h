/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF iterators, Documentation/bpf/bpf_iterators.rst: small programs that write what the kernel knows and no
 * system call tells. Where the fields lie is asked of the kernel's type information (BTF). Nothing logs.
 */
#pragma once

#include <bpf/btf.h>
#include <linux/bpf.h>

#include "base/util.h"

#define ITER_INSNS_MAX 512

struct iter_prog {
	struct btf *btf;
	struct bpf_insn v[ITER_INSNS_MAX];
	int n;
	int err; /* the first, -EOPNOTSUPP: a type or field is missing */
};

struct iter_place {
	uint32_t bit; /* from the beginning of the structure */
	uint32_t width; /* of a bit field; 0 */
	uint32_t type; /* id */
};

/* Has this kernel type information at all? */
bool iter_possible(void);
/* The member @path ("a.b.c") of struct @type; -EOPNOTSUPP. */
int iter_find(const struct btf *btf, const char *type, const char *path, struct iter_place *ret);

/* Instructions. */
void iter_alu(struct iter_prog *p, int op, int dst, int32_t imm);
void iter_move(struct iter_prog *p, int dst, int src);
void iter_call(struct iter_prog *p, int function);
void iter_exit(struct iter_prog *p);
/* From where @src points; to the stack. */
void iter_ldx(struct iter_prog *p, size_t size, int dst, int src, int off);
void iter_stx(struct iter_prog *p, size_t size, int src, int off);
/* @dst: the beginning of the only element of the array @map. */
void iter_map(struct iter_prog *p, int dst, int map);
/* @dst: the member @path of the @type that @src points at, a pointer. */
void iter_pointer(struct iter_prog *p, const char *type, const char *path, int dst, int src);
/* A jump if @reg is (BPF_JEQ), is not (BPF_JNE) ... @imm; to where iter_land() is called later. */
int iter_jump(struct iter_prog *p, int op, int reg, int32_t imm);
void iter_land(struct iter_prog *p, int jump);
/* The program ends here if @reg is 0. */
void iter_need(struct iter_prog *p, int reg);
/* The record at the end of the stack, from @off (negative) on, to the struct seq_file @seq points at. */
void iter_write(struct iter_prog *p, int seq, int off);

/*
 * Load the program that @assemble makes for the iterator @hook ("bpf_iter_tcp"): a descriptor.
 * -EOPNOTSUPP where the kernel has no such iterator, or other fields.
 */
int iter_program(const char *hook, void (*assemble)(struct iter_prog *p, int map), int map);
/*
 * Read the iterator @fd to its end. @fn sees what there is: it returns the length of the record it took, 0
 * when that is not complete, or a negative errno.
 */
typedef ssize_t (*iter_record_fn)(void *arg, const void *data, size_t len);
int iter_read(int fd, iter_record_fn fn, void *arg);
