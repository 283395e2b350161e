/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF programs as they were loaded. The kernel gives back what it made of them: accesses to the context are
 * rewritten to its own structures. The rewriting of each single field is learnt from the running kernel by
 * loading a small program, undone, and the result proved by loading it and comparing tags.
 */
#pragma once

#include <linux/bpf.h>

#include "base/util.h"

#define BPF_INSNS_MAX 4096

struct bpf_program {
	uint32_t id, type;
	char name[BPF_OBJ_NAME_LEN + 1];
	bool gpl;
	uint8_t tag[BPF_TAG_SIZE];
	struct bpf_insn *insns; /* malloc()ed */
	uint32_t n_insns;
};

void bpf_program_done(struct bpf_program *p);
/* The program behind @fd. -EOPNOTSUPP: of a type, with maps or with rewriting that cannot be undone. */
int bpf_program_read(int fd, struct bpf_program *ret);
/* Load it; its descriptor. -EBADMSG: the kernel gives it another tag. */
int bpf_program_load(const struct bpf_program *p);
/* Whether programs of @type can be read back. */
bool bpf_type_known(uint32_t type);
/* A descriptor of the program @id of this machine. */
int bpf_program_by_id(uint32_t id);
#define BPF_ATTACHED_MAX 64 /* the kernel's own limit for one cgroup */
/* The ids of the programs attached to the cgroup @dir as @type: their number and flags. */
int bpf_query(int dir, uint32_t type, uint32_t ids[BPF_ATTACHED_MAX], uint32_t *ret_flags);
/* Is program @id attached to the cgroup @dir as @type? 1 and its flags, 0, or negative errno. */
int bpf_attached(int dir, uint32_t type, uint32_t id, uint32_t *ret_flags);
int bpf_attach(int dir, uint32_t type, int prog, uint32_t flags);
