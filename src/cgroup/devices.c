/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup/devices.h"

#include <stdio.h>

#include "base/log.h"
#include "file/bpf.h"

static int fill(CgroupBpfEntry *b, const struct bpf_program *p, uint32_t flags)
{
	b->flags = flags;
	b->gpl = p->gpl;
	b->name = strdup(p->name);
	b->insns.len = p->n_insns * sizeof(*p->insns);
	b->insns.data = malloc(b->insns.len);
	b->tag.data = malloc(sizeof(p->tag));
	if (!b->name || !b->insns.data || !b->tag.data)
		return -ENOMEM;
	memcpy(b->insns.data, p->insns, b->insns.len);
	b->tag.len = sizeof(p->tag);
	memcpy(b->tag.data, p->tag, b->tag.len);
	return 0;
}

static int dump_one(CgroupDirEntry *e, uint32_t id, uint32_t flags)
{
	_cleanup_(bpf_program_done) struct bpf_program p = { 0 };
	_cleanup_close_ int fd = bpf_program_by_id(id);
	int err = fd < 0 ? fd : bpf_program_read(fd, &p);
	CgroupBpfEntry *b;

	if (err == -EOPNOTSUPP) {
		log_error("cgroup %s: the BPF program %u of its device rules cannot be read back; detach it",
			  e->path, id);
		return err;
	}
	if (err < 0)
		return log_errno(err, "cgroup %s: BPF program %u of its device rules", e->path, id);
	b = malloc(sizeof(*b));
	if (!b || !GROW(e->devices, e->n_devices)) {
		free(b);
		return log_oom();
	}
	cgroup_bpf_entry__init(b);
	b->name = NULL;
	e->devices[e->n_devices++] = b;
	return fill(b, &p, flags) < 0 ? log_oom() : 0;
}

int cg_devices_dump(int dir, CgroupDirEntry *e)
{
	uint32_t ids[BPF_ATTACHED_MAX] = { 0 }, flags = 0;
	int n = bpf_query(dir, BPF_CGROUP_DEVICE, ids, &flags), err = 0;

	for (int i = 0; i < n && !err; i++)
		err = dump_one(e, ids[i], flags);
	return err;
}

int cg_devices_check(const CgroupDirEntry *e)
{
	for (size_t i = 0; i < e->n_devices; i++) {
		const CgroupBpfEntry *b = e->devices[i];

		if (b->tag.len != BPF_TAG_SIZE || !b->insns.len || b->insns.len % sizeof(struct bpf_insn) ||
		    b->insns.len / sizeof(struct bpf_insn) > BPF_INSNS_MAX)
			return -EBADMSG;
	}
	return 0;
}

/* Whether a program with the tag @tag is attached to @dir. */
static bool has_tag(int dir, const uint8_t *tag)
{
	uint32_t ids[BPF_ATTACHED_MAX] = { 0 }, flags;
	int n = bpf_query(dir, BPF_CGROUP_DEVICE, ids, &flags);

	for (int i = 0; i < n; i++) {
		_cleanup_(bpf_program_done) struct bpf_program p = { 0 };
		_cleanup_close_ int fd = bpf_program_by_id(ids[i]);

		if (fd >= 0 && bpf_program_read(fd, &p) == 0 && memcmp(p.tag, tag, BPF_TAG_SIZE) == 0)
			return true;
	}
	return false;
}

static int restore_one(int dir, const CgroupBpfEntry *b)
{
	struct bpf_program p = { .type = BPF_PROG_TYPE_CGROUP_DEVICE, .gpl = b->gpl };
	_cleanup_close_ int fd = -1;

	if (has_tag(dir, b->tag.data))
		return 0;
	snprintf(p.name, sizeof(p.name), "%s", b->name);
	memcpy(p.tag, b->tag.data, sizeof(p.tag));
	p.insns = (struct bpf_insn *)b->insns.data;
	p.n_insns = b->insns.len / sizeof(*p.insns);
	fd = bpf_program_load(&p);
	return fd < 0 ? fd : bpf_attach(dir, BPF_CGROUP_DEVICE, fd, b->flags);
}

int cg_devices_restore(int dir, const CgroupDirEntry *e)
{
	for (size_t i = 0; i < e->n_devices; i++) {
		int err = restore_one(dir, e->devices[i]);

		if (err < 0)
			return log_errno(err, "cgroup %s: BPF program %s of its device rules", e->path,
					 e->devices[i]->name);
	}
	return 0;
}
