/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup traffic filter as systemd makes them comes back with the same tag; its context access was rewritten. */
/* modes: host ns running twice */
#include "zdtm.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void read_tag(int fd, char *tag)
{
	char path[64], buf[1024] = "", *p;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	if (info < 0 || read(info, buf, sizeof(buf) - 1) <= 0)
		pfail("%s", path);
	close(info);
	p = strstr(buf, "prog_tag:");
	if (!p)
		fail("no program: %s", buf);
	memcpy(tag, p, 26);
	tag[26] = 0;
}

int main(int argc, char **argv)
{
	/* r0 = ctx->protocol == 8; return 1 */
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 7, .src_reg = 6, .off = 16 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 8, .src_reg = 6, .off = 0 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 7, .off = 1, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 7, .src_reg = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	char before[32], after[32];
	int fd;

	test_init(argc, argv);
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (uintptr_t) "GPL";
	strcpy(attr.prog_name, "zdtm");
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		skip("BPF_PROG_LOAD");
	read_tag(fd, before);
	test_daemon();
	test_waitsig();
	read_tag(fd, after);
	if (strcmp(before, after))
		fail("%s, was %s", after, before);
	pass();
}
