/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/syscall.h>
#include <unistd.h>

#include "file/bpf.h"

#define N_FIELDS (sizeof(struct __sk_buff) / 4)

/* What the kernel makes of a read of the field at 4 * i of struct __sk_buff. */
struct rewriting {
	bool known;
	uint8_t code;
	int16_t off;
};

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return RET_NERRNO((int)syscall(SYS_bpf, cmd, attr, sizeof(*attr)));
}

void bpf_program_done(struct bpf_program *p)
{
	free(p->insns);
	p->insns = NULL;
}

static int get_info(int fd, struct bpf_prog_info *info)
{
	union bpf_attr attr = { 0 };

	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static int load(uint32_t type, const struct bpf_insn *insns, uint32_t n, bool gpl, const char *name)
{
	union bpf_attr attr = { 0 };

	attr.prog_type = type;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = n;
	attr.license = (uintptr_t)(gpl ? "GPL" : "Proprietary");
	memcpy(attr.prog_name, name, MIN(strlen(name), sizeof(attr.prog_name) - 1));
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* The rewritten instructions of @fd. */
static int get_insns(int fd, struct bpf_insn **ret, uint32_t *ret_n)
{
	struct bpf_prog_info info = { 0 };
	_cleanup_free_ struct bpf_insn *insns = NULL;
	int err = get_info(fd, &info);
	uint32_t len = info.xlated_prog_len;

	if (err < 0)
		return err;
	if (!len || len % sizeof(*insns) || len / sizeof(*insns) > BPF_INSNS_MAX)
		return -EOPNOTSUPP;
	insns = calloc(1, len);
	if (!insns)
		return -ENOMEM;
	info = (struct bpf_prog_info){ .xlated_prog_len = len, .xlated_prog_insns = (uintptr_t)insns };
	err = get_info(fd, &info);
	if (err < 0 || info.xlated_prog_len != len || !info.xlated_prog_insns)
		return err < 0 ? err : -EPERM;
	*ret = TAKE_PTR(insns);
	*ret_n = len / sizeof(**ret);
	return 0;
}

/* r0 = field; exit: the first instruction that comes back shows the rewriting, if it is but one. */
static void learn(uint32_t type, uint16_t field, struct rewriting *ret)
{
	const struct bpf_insn probe[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 0, .src_reg = 1, .off = (int16_t)field },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int fd = load(type, probe, ARRAY_SIZE(probe), true, "ctcr_probe");
	_cleanup_free_ struct bpf_insn *insns = NULL;
	uint32_t n;

	if (fd < 0 || get_insns(fd, &insns, &n) < 0 || n != ARRAY_SIZE(probe) ||
	    BPF_CLASS(insns[0].code) != BPF_LDX)
		return;
	*ret = (struct rewriting){ .known = true, .code = insns[0].code, .off = insns[0].off };
}

static void undo(struct bpf_insn *insns, uint32_t n, const struct rewriting *known)
{
	for (uint32_t i = 0; i < n; i++) {
		if (BPF_CLASS(insns[i].code) != BPF_LDX)
			continue;
		for (size_t f = 0; f < N_FIELDS; f++) {
			if (!known[f].known || known[f].code != insns[i].code || known[f].off != insns[i].off)
				continue;
			insns[i].code = BPF_LDX | BPF_MEM | BPF_W;
			insns[i].off = (int16_t)(4 * f);
			break;
		}
	}
}

int bpf_program_load(const struct bpf_program *p)
{
	_cleanup_close_ int fd = load(p->type, p->insns, p->n_insns, p->gpl, p->name);
	struct bpf_prog_info info = { 0 };
	int err = fd < 0 ? fd : get_info(fd, &info);

	if (err < 0)
		return err;
	return memcmp(info.tag, p->tag, sizeof(p->tag)) ? -EBADMSG : take_fd(&fd);
}

/* p->insns hold what came back; make them what was loaded. */
static int restore_source(struct bpf_program *p)
{
	struct rewriting known[N_FIELDS] = { 0 };
	_cleanup_close_ int fd = bpf_program_load(p);

	if (fd >= 0)
		return 0; /* nothing was rewritten */
	for (size_t f = 0; f < N_FIELDS; f++)
		learn(p->type, (uint16_t)(4 * f), &known[f]);
	undo(p->insns, p->n_insns, known);
	fd = bpf_program_load(p);
	return fd < 0 ? -EOPNOTSUPP : 0;
}

/* Device programs are not rewritten at all. */
bool bpf_type_known(uint32_t type)
{
	return type == BPF_PROG_TYPE_CGROUP_SKB || type == BPF_PROG_TYPE_CGROUP_DEVICE;
}

int bpf_program_by_id(uint32_t id)
{
	union bpf_attr attr = { .prog_id = id };

	return sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

int bpf_program_read(int fd, struct bpf_program *ret)
{
	struct bpf_prog_info info = { 0 };
	int err = get_info(fd, &info);

	if (err < 0)
		return err;
	if (!bpf_type_known(info.type) || info.nr_map_ids || info.btf_id)
		return -EOPNOTSUPP;
	*ret = (struct bpf_program){ .id = info.id, .type = info.type, .gpl = info.gpl_compatible };
	memcpy(ret->name, info.name, BPF_OBJ_NAME_LEN);
	memcpy(ret->tag, info.tag, BPF_TAG_SIZE);
	err = get_insns(fd, &ret->insns, &ret->n_insns);
	if (err >= 0)
		err = restore_source(ret);
	if (err < 0)
		bpf_program_done(ret);
	return err;
}

int bpf_query(int dir, uint32_t type, uint32_t ids[BPF_ATTACHED_MAX], uint32_t *ret_flags)
{
	union bpf_attr attr = { 0 };
	int err;

	attr.query.target_fd = dir;
	attr.query.attach_type = type;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = BPF_ATTACHED_MAX;
	err = sys_bpf(BPF_PROG_QUERY, &attr);
	if (err < 0)
		return err;
	*ret_flags = attr.query.attach_flags;
	return (int)MIN(attr.query.prog_cnt, (uint32_t)BPF_ATTACHED_MAX);
}

int bpf_attached(int dir, uint32_t type, uint32_t id, uint32_t *ret_flags)
{
	uint32_t ids[BPF_ATTACHED_MAX] = { 0 }, flags;
	int n = bpf_query(dir, type, ids, &flags);

	for (int i = 0; i < n; i++) {
		if (ids[i] != id)
			continue;
		*ret_flags = flags;
		return 1;
	}
	return n < 0 ? n : 0;
}

int bpf_attach(int dir, uint32_t type, int prog, uint32_t flags)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = dir;
	attr.attach_bpf_fd = prog;
	attr.attach_type = type;
	attr.attach_flags = flags;
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}
