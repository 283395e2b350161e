/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A BPF program for tests. */
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zdtm.h"

/* A program of any type that returns @verdict and does nothing else: its descriptor. */
static inline int bpf_program(unsigned int type, int verdict)
{
	const struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict },
					 { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr attr = { .prog_type = type,
				.insn_cnt = 2,
				.insns = (unsigned long)code,
				.license = (unsigned long)"GPL" };
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		pfail("BPF_PROG_LOAD");
	return fd;
}
