/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF programs held by descriptors, bpf(2): filters of cgroup traffic without maps, which systemd makes for
 * IPAddressDeny= and holds open, with the cgroups they are attached to. Everything else is refused.
 */
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>

#include "base/log.h"
#include "cgroup/cg.h"
#include "file/bpf.h"
#include "file/kinds.h"
#include "file/table.h"

#define REFUSED "a BPF program other than simple filters of traffic or devices cannot be read back; detach it"

static bool bpf_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:bpf-prog");
}

static int bpf_survey(struct dump *d, const struct file_desc *f)
{
	_cleanup_(bpf_program_done) struct bpf_program p = { 0 };

	if (bpf_program_read(f->fd, &p) != -EOPNOTSUPP)
		return 0;
	return dump_obstacle(d, "%s: " REFUSED, file_desc_name(f));
}

/* The v2 path of a task; malloc()ed. */
static int v2_path(pid_t pid, char **ret)
{
	_cleanup_cg_lines_ struct cg_lines l = { 0 };
	int err = cg_read(pid, &l);
	const struct cg_line *line = err < 0 ? NULL : cg_find(&l, "");

	if (!line)
		return err < 0 ? err : -ENOENT;
	*ret = strdup(line->path);
	return *ret ? 0 : -ENOMEM;
}

/* The cgroup that holds all tasks. */
static int common_path(struct dump *d, char **ret)
{
	_cleanup_free_ char *common = NULL;
	int err = v2_path(d->tasks[0]->pid, &common);

	for (size_t i = 1; err >= 0 && i < d->n_tasks; i++) {
		_cleanup_free_ char *path = NULL;

		if (d->tasks[i]->state == TASK_ZOMBIE)
			continue;
		err = v2_path(d->tasks[i]->pid, &path);
		if (err >= 0)
			cg_path_common(common, path);
	}
	if (err < 0)
		return err;
	*ret = TAKE_PTR(common);
	return 0;
}

static int add_attach(BpfEntry *e, const char *path, uint32_t type, uint32_t flags)
{
	BpfAttachEntry *a = MSG_NEW(BpfAttachEntry, bpf_attach_entry);

	if (!a || !GROW(e->attached, e->n_attached)) {
		free(a);
		return -ENOMEM;
	}
	e->attached[e->n_attached++] = a;
	a->type = type;
	a->flags = flags;
	a->path = strdup(path);
	return a->path ? 0 : -ENOMEM;
}

/* Where below @top (ours) program @id is attached. */
static int find_attached(int top, uint32_t id, BpfEntry *e)
{
	static const uint32_t types[] = { BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS,
					  BPF_CGROUP_DEVICE };
	char path[40], *paths[] = { path, NULL };
	size_t prefix = snprintf(path, sizeof(path), "/proc/self/fd/%d/.", top);
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	FTSENT *ent;
	int err = 0;

	if (!fts)
		return -errno;
	while (err >= 0 && (ent = fts_read(fts))) {
		_cleanup_close_ int dir =
			ent->fts_info == FTS_D ? open(ent->fts_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(types); i++) {
			uint32_t flags;

			if (err >= 0 && bpf_attached(dir, types[i], id, &flags) == 1)
				err = add_attach(e, ent->fts_path + prefix, types[i], flags);
		}
	}
	fts_close(fts);
	return err;
}

static int fill_attached(struct dump *d, uint32_t id, BpfEntry *e)
{
	_cleanup_close_ int root = cg_open_root(""), top = -1;
	_cleanup_free_ char *common = NULL, *own = NULL;
	int err = common_path(d, &common);

	e->root_path = NULL;
	if (err >= 0)
		err = v2_path(d->tasks[0]->pid, &own);
	if (err < 0)
		return err;
	e->root_path = strdup(own + (streq(common, "/") ? 0 : strlen(common)));
	if (!e->root_path)
		return -ENOMEM;
	top = root < 0 ? root : cg_open_dir(root, common);
	return top < 0 ? top : find_attached(top, id, e);
}

static int bpf_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	BpfEntry *e = MSG_NEW(BpfEntry, bpf_entry);
	_cleanup_(bpf_program_done) struct bpf_program p = { 0 };
	int err;

	if (!e)
		return log_oom();
	msg->bpf = e;
	msg->kind_case = FILE_ENTRY__KIND_BPF;
	e->name = NULL;
	e->root_path = NULL;
	err = bpf_program_read(f->fd, &p);
	if (err == -EOPNOTSUPP) {
		log_error("%s: " REFUSED, file_desc_name(f));
		return err;
	}
	if (err < 0)
		return log_errno(err, "%s: reading the program", file_desc_name(f));
	e->type = p.type;
	e->gpl = p.gpl;
	e->name = strdup(p.name);
	err = e->name ? binary_copy(&e->insns, p.insns, p.n_insns * sizeof(*p.insns)) : -ENOMEM;
	if (err >= 0)
		err = binary_copy(&e->tag, p.tag, sizeof(p.tag));
	if (err >= 0)
		err = fill_attached(d, p.id, e);
	return err < 0 ? log_errno(err, "%s: where it is attached", file_desc_name(f)) : 0;
}

static int bpf_deps(struct restore *r, const FileEntry *msg)
{
	const BpfEntry *e = msg->bpf;
	bool bad = !bpf_type_known(e->type) || e->tag.len != BPF_TAG_SIZE || !e->insns.len ||
		   e->insns.len % sizeof(struct bpf_insn) ||
		   e->insns.len / sizeof(struct bpf_insn) > BPF_INSNS_MAX ||
		   (*e->root_path && !cg_path_ok(e->root_path));

	for (size_t i = 0; i < e->n_attached; i++)
		bad = bad || (*e->attached[i]->path && !cg_path_ok(e->attached[i]->path)) ||
		      (e->attached[i]->type > BPF_CGROUP_INET_EGRESS &&
		       e->attached[i]->type != BPF_CGROUP_DEVICE);
	if (bad)
		log_error("%s: bad program; the image is damaged", file_entry_name(msg));
	return bad ? -EBADMSG : 0;
}

static int bpf_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const BpfEntry *e = msg->bpf;
	struct bpf_program p = { .type = e->type, .gpl = e->gpl };
	int fd;

	snprintf(p.name, sizeof(p.name), "%s", e->name);
	memcpy(p.tag, e->tag.data, sizeof(p.tag));
	p.insns = (struct bpf_insn *)e->insns.data;
	p.n_insns = e->insns.len / sizeof(*p.insns);
	fd = bpf_program_load(&p);
	return fd < 0 ? log_errno(fd, "%s: loading program %s", file_entry_name(msg), e->name) : fd;
}

/* The container's common cgroup now: the root task's without its own part. */
static int open_common(struct restore *r, const BpfEntry *e)
{
	_cleanup_close_ int root = cg_open_root("");
	_cleanup_free_ char *own = NULL;
	int err = v2_path(r->tasks[0].pid, &own);
	size_t len, cut = strlen(e->root_path);

	if (err < 0 || root < 0)
		return err < 0 ? err : root;
	len = strlen(own);
	if (len < cut || !streq(own + len - cut, e->root_path))
		return -ENOENT;
	own[len - cut] = 0;
	return cg_open_dir(root, *own ? own : "/");
}

static int bpf_finish(struct restore *r, const FileEntry *msg, int fd)
{
	const BpfEntry *e = msg->bpf;
	_cleanup_close_ int top = e->n_attached ? open_common(r, e) : -1;

	if (e->n_attached && top < 0) {
		log_warn("%s: its cgroups are not found: not attached", file_entry_name(msg));
		return 0;
	}
	for (size_t i = 0; i < e->n_attached; i++) {
		const BpfAttachEntry *a = e->attached[i];
		_cleanup_close_ int dir =
			*a->path ? cg_open_dir(top, a->path) : fcntl(top, F_DUPFD_CLOEXEC, 3);
		int err = dir < 0 ? dir : bpf_attach(dir, a->type, fd, a->flags);

		if (err < 0)
			return log_errno(err, "%s: attaching it to cgroup %s", file_entry_name(msg), a->path);
	}
	return 0;
}

const struct file_ops bpf_ops = {
	.name = "BPF program",
	.kind = FILE_ENTRY__KIND_BPF,
	.match = bpf_match,
	.survey = bpf_survey,
	.dump = bpf_dump,
	.deps = bpf_deps,
	.restore = bpf_restore,
	.finish = bpf_finish,
};
