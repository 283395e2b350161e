/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Areas and mm fields. The kernel shows areas in /proc/PID/smaps, the mapped file behind
 * /proc/PID/map_files, the fields in /proc/PID/stat and auxv; the break is asked by the hand.
 * Not restorable: hugetlb, device memory, userfaultfd registrations, aio and io_uring rings, secretmem,
 * shadow stacks, protection keys.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/file.h"
#include "mem/mm.h"

#define CTCR_PR_GET_MDWE 66
#define CTCR_PR_GET_MEMORY_MERGE 68
#define CTCR_MEMBARRIER_GET_REGISTRATIONS (1 << 9)
#define AUXV_MAX 512

static bool is_arena(const struct vma *v, uint64_t slot, uint64_t ino)
{
	if (v->start <= slot && slot < v->end)
		return true;
	return ino && v->ino == ino && startswith(v->name, "/memfd:ctcr");
}

/* Forget our own arena in a held task; its flags. */
static uint32_t drop_arena(struct vma_list *l, uint64_t slot)
{
	uint32_t flags = 0;
	uint64_t ino = 0;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].start <= slot && slot < l->v[i].end) {
			ino = l->v[i].ino;
			flags = l->v[i].flags;
		}
	for (size_t i = 0; i < l->n; i++) {
		if (is_arena(&l->v[i], slot, ino))
			free(l->v[i].name);
		else
			l->v[n++] = l->v[i];
	}
	l->n = n;
	return flags;
}

static int read_vmas(const struct task *t, struct vma_list *ret)
{
	_cleanup_free_ char *text = NULL;
	int err = read_text_at(t->proc, "smaps", &text);

	return err < 0 ? err : vmas_parse(text, ret);
}

int mm_read_vmas(struct task *t, struct vma_list *ret, uint32_t *ret_arena_flags)
{
	int err = read_vmas(t, ret);

	if (err < 0)
		return log_errno(err, "pid %d: cannot read its memory map", t->pid);
	*ret_arena_flags = t->hand ? drop_arena(ret, t->hand->slot_addr) : 0;
	return 0;
}

/*
 * A segment of our own IPC namespace is not in the image; it is there at the restore unless it goes
 * with its last user, the task dumped.
 */
static enum vma_class classify_held(const struct task *t, const struct vma *v, const char **ret_why)
{
	enum vma_class c = vma_classify(v, ret_why);
	struct shmid_ds ds;

	if (c != VMA_SYSV || t->ns[NS_IPC] || shmctl((int)v->ino, IPC_STAT, &ds) < 0 ||
	    !(ds.shm_perm.mode & SHM_DEST))
		return c;
	*ret_why = "was removed (IPC_RMID) from the host's IPC namespace and ends with its last user; "
		   "dump the task in an own IPC namespace";
	return VMA_REFUSED;
}

static int survey_task(struct dump *d, struct task *t)
{
	_cleanup_(vmas_done) struct vma_list l = { 0 };
	int ret = proc_errno(t->proc, read_vmas(t, &l));

	if (ret == -ESRCH)
		return 0; /* it ended meanwhile */
	if (ret < 0)
		return log_errno(ret, "pid %d: cannot read its memory map", t->pid);
	for (size_t i = 0; ret >= 0 && i < l.n; i++) {
		const struct vma *v = &l.v[i];
		const char *why = NULL;

		if (classify_held(t, v, &why) == VMA_REFUSED)
			ret = dump_obstacle(d, "pid %d area %lx-%lx (%s): %s", t->pid, v->start, v->end,
					    v->name, why);
	}
	return ret;
}

int mem_survey(struct dump *d)
{
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];
		int ret;

		if (t->state == TASK_ZOMBIE || (t->mm_id && !t->mm_first))
			continue;
		ret = survey_task(d, t);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static uint32_t area_flags(const struct vma *v)
{
	static const struct {
		uint32_t vf, flag;
	} map[] = {
		{ VF_GROWSDOWN, AREA_FLAG__GROWSDOWN },	    { VF_NORESERVE, AREA_FLAG__NORESERVE },
		{ VF_ACCOUNT, AREA_FLAG__ACCOUNT },	    { VF_LOCKED, AREA_FLAG__LOCKED },
		{ VF_LOCKONFAULT, AREA_FLAG__LOCKONFAULT }, { VF_DONTFORK, AREA_FLAG__DONTFORK },
		{ VF_DONTDUMP, AREA_FLAG__DONTDUMP },	    { VF_WIPEONFORK, AREA_FLAG__WIPEONFORK },
		{ VF_HUGEPAGE, AREA_FLAG__HUGEPAGE },	    { VF_NOHUGEPAGE, AREA_FLAG__NOHUGEPAGE },
		{ VF_MERGEABLE, AREA_FLAG__MERGEABLE },	    { VF_SEQUENTIAL, AREA_FLAG__SEQUENTIAL },
		{ VF_RANDOM, AREA_FLAG__RANDOM },	    { VF_DROPPABLE, AREA_FLAG__DROPPABLE },
		{ VF_SEALED, AREA_FLAG__SEALED },	    { VF_MAYWRITE, AREA_FLAG__MAYWRITE },
	};
	uint32_t flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (v->flags & map[i].vf)
			flags |= map[i].flag;
	return flags;
}

/* The file behind an area, opened as the mapping has it; its link text too. */
static int open_area(struct task *t, const struct vma *v, char **ret_link, bool *ret_writable)
{
	char path[96];
	struct stat st;
	int fd, ret;

	snprintf(path, sizeof(path), "map_files/%lx-%lx", v->start, v->end);
	if (fstatat(t->proc, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret_writable = st.st_mode & S_IWUSR;
	fd = openat(t->proc, path, (*ret_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = readlink_at(t->proc, path, ret_link);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd_high(fd);
}

static struct mapped_file *file_known(struct mem_table *tab, const struct mapped_file *key)
{
	for (size_t i = 0; i < tab->n_files; i++) {
		struct mapped_file *f = &tab->files[i];

		if (f->ino == key->ino && f->major == key->major && f->minor == key->minor &&
		    f->mnt == key->mnt && f->writable == key->writable && streq(f->name, key->name))
			return f;
	}
	return NULL;
}

static int file_remember(struct mem_table *tab, const struct mapped_file *key)
{
	char *name = strdup(key->name);

	if (!name || !GROW(tab->files, tab->n_files)) {
		free(name);
		return log_oom();
	}
	tab->files[tab->n_files] = *key;
	tab->files[tab->n_files++].name = name;
	return 0;
}

static int collect_file(struct dump *d, struct task *t, const struct vma *v, AreaEntry *a)
{
	struct mapped_file key = { .name = v->name,
				   .mnt = t->ns[NS_MNT],
				   .ino = v->ino,
				   .major = v->major,
				   .minor = v->minor },
			   *known;
	_cleanup_free_ char *link = NULL;
	int fd, ret;

	/* a shared mapping must be restored through a descriptor as writable as this one was */
	fd = open_area(t, v, &link, &key.writable);
	if (fd < 0)
		return log_errno(fd, "pid %d area %lx-%lx (%s): cannot open the mapped file", t->pid,
				 v->start, v->end, v->name);
	known = file_known(d->mem, &key);
	if (known) {
		close(fd);
		a->object = known->id;
		return 0;
	}
	ret = files_add(d, t, fd, link, &key.id);
	if (ret < 0)
		return ret;
	a->object = key.id;
	return file_remember(d->mem, &key);
}

static int collect_shmem(struct dump *d, struct task *t, const struct vma *v, AreaEntry *a)
{
	struct mem_table *tab = d->mem;
	_cleanup_free_ char *link = NULL;
	struct shmem *s;
	struct stat st;
	bool writable;
	int fd;

	for (size_t i = 0; i < tab->n_shmems; i++)
		if (tab->shmems[i].ino == v->ino) {
			a->object = tab->shmems[i].msg->id;
			return 0;
		}
	fd = open_area(t, v, &link, &writable);
	if (fd < 0 || fstat(fd, &st) < 0)
		return log_errno(fd < 0 ? fd : -errno, "pid %d area %lx-%lx: cannot open shared memory",
				 t->pid, v->start, v->end);
	if (!GROW(tab->shmems, tab->n_shmems))
		return log_oom();
	s = &tab->shmems[tab->n_shmems];
	*s = (struct shmem){ .fd = fd, .ino = v->ino, .msg = malloc(sizeof(*s->msg)) };
	if (!s->msg)
		return log_oom();
	shmem_entry__init(s->msg);
	s->msg->id = a->object = (uint32_t)++tab->n_shmems;
	s->msg->size = ALIGN_UP((uint64_t)st.st_size, PAGE);
	return 0;
}

static int name_area(const struct vma *v, AreaEntry *a)
{
	const char *p = startswith(v->name, "[anon:");

	if (!p)
		p = startswith(v->name, "[anon_shmem:");
	if (!p)
		return 0;
	a->name = strndup(p, strlen(p) - 1);
	return a->name ? 0 : log_oom();
}

static int fill_area(struct dump *d, struct mm *m, const struct vma *v, AreaEntry *a)
{
	const char *why = NULL;
	enum vma_class c = classify_held(m->task, v, &why);

	a->start = v->start;
	a->end = v->end;
	a->prot = v->prot;
	a->shared = v->shared;
	a->offset = v->offset;
	a->flags = area_flags(v);
	a->has_flags = a->flags != 0;
	a->has_offset = a->has_object = c == VMA_FILE || c == VMA_SHMEM || c == VMA_SYSV;
	switch (c) {
	case VMA_ANON:
		a->kind = AREA_KIND__ANON;
		return name_area(v, a);
	case VMA_FILE:
		a->kind = AREA_KIND__FILE;
		return collect_file(d, m->task, v, a);
	case VMA_SHMEM:
		a->kind = AREA_KIND__SHMEM;
		return name_area(v, a) < 0 ? -ENOMEM : collect_shmem(d, m->task, v, a);
	case VMA_SYSV:
		a->kind = AREA_KIND__SYSV;
		a->object = (uint32_t)v->ino;
		return 0;
	case VMA_VDSO:
		a->kind = AREA_KIND__VDSO;
		return 0;
	default:
		log_error("pid %d area %lx-%lx (%s): %s", m->task->pid, v->start, v->end, v->name, why);
		return -EOPNOTSUPP;
	}
}

static int collect_areas(struct dump *d, struct mm *m)
{
	m->msg->areas = calloc(m->vmas.n + 1, sizeof(*m->msg->areas));
	if (!m->msg->areas)
		return log_oom();
	for (size_t i = 0; i < m->vmas.n; i++) {
		const char *why;
		AreaEntry *a;
		int ret;

		if (vma_classify(&m->vmas.v[i], &why) == VMA_SKIP)
			continue;
		a = malloc(sizeof(*a));
		if (!a)
			return log_oom();
		area_entry__init(a);
		m->msg->areas[m->msg->n_areas++] = a;
		ret = fill_area(d, m, &m->vmas.v[i], a);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int collect_stat(struct mm *m)
{
	MmEntry *e = m->msg;
	const struct {
		int field; /* proc_pid_stat(5) */
		uint64_t *to;
	} fields[] = {
		{ 26, &e->start_code }, { 27, &e->end_code }, { 28, &e->start_stack },
		{ 45, &e->start_data }, { 46, &e->end_data }, { 47, &e->start_brk },
		{ 48, &e->arg_start },	{ 49, &e->arg_end },  { 50, &e->env_start },
		{ 51, &e->env_end },
	};
	_cleanup_free_ char *stat = NULL;
	int ret = read_text_at(m->task->proc, "stat", &stat);

	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(fields); i++) {
		const char *p = proc_stat_field(stat, fields[i].field);

		if (!p)
			ret = -EINVAL;
		else
			*fields[i].to = strtoull(p, NULL, 10);
	}
	return ret < 0 ? log_errno(ret, "pid %d: cannot read its stat", m->task->pid) : 0;
}

static int collect_auxv(struct mm *m)
{
	_cleanup_close_ int fd = openat(m->task->proc, "auxv", O_RDONLY | O_CLOEXEC);
	uint8_t buf[AUXV_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (n < 0)
		return log_errno(errno, "pid %d: cannot read its auxv", m->task->pid);
	m->msg->auxv.data = malloc(n + 1);
	if (!m->msg->auxv.data)
		return log_oom();
	memcpy(m->msg->auxv.data, buf, n);
	m->msg->auxv.len = n;
	return 0;
}

static int collect_exe(struct dump *d, struct mm *m)
{
	int fd = openat(m->task->proc, "exe", O_RDONLY | O_CLOEXEC), ret;
	struct mapped_file key = { .mnt = m->task->ns[NS_MNT] }, *known;
	_cleanup_free_ char *link = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return log_errno(errno, "pid %d: cannot open its executable", m->task->pid);
	ret = readlink_at(m->task->proc, "exe", &link);
	if (ret < 0) {
		close(fd);
		return log_errno(ret, "pid %d: cannot read the name of its executable", m->task->pid);
	}
	key = (struct mapped_file){ .name = link,
				    .mnt = m->task->ns[NS_MNT],
				    .ino = st.st_ino,
				    .major = major(st.st_dev),
				    .minor = minor(st.st_dev) };
	known = file_known(d->mem, &key);
	if (known) {
		close(fd);
		m->msg->exe_file_id = known->id;
		return 0;
	}
	ret = files_add(d, m->task, fd_high(fd), link, &key.id);
	if (ret < 0)
		return ret;
	m->msg->exe_file_id = key.id;
	return file_remember(d->mem, &key);
}

/* What a task itself says of its memory: the batch, and where its answers will be. */
struct mm_batch {
	const struct remote_call *brk, *mdwe, *merge, *bar;
	struct policy_question policy;
};

static void ask_mm(const struct mm *m, struct mm_batch *b)
{
	struct remote *hand = m->task->hand;

	b->brk = remote_call(hand, SYS_brk, 0);
	b->mdwe = remote_try(hand, SYS_prctl, CTCR_PR_GET_MDWE, 0, 0, 0, 0);
	b->merge = remote_try(hand, SYS_prctl, CTCR_PR_GET_MEMORY_MERGE, 0, 0, 0, 0);
	b->bar = remote_try(hand, SYS_membarrier, CTCR_MEMBARRIER_GET_REGISTRATIONS, 0, 0);
	policy_ask(m, &b->policy);
}

static int take_mm(struct mm *m, struct mm_batch *b)
{
	m->msg->brk = b->brk->ret;
	if (b->mdwe->ret > 0) {
		m->msg->has_mdwe = true;
		m->msg->mdwe = b->mdwe->ret;
	}
	m->msg->has_memory_merge = m->msg->memory_merge = b->merge->ret == 1;
	if (b->bar->ret > 0) {
		m->msg->has_membarrier = true;
		m->msg->membarrier = b->bar->ret;
	}
	return policy_take(m, &b->policy);
}

/* All at once: waking tasks one after the other takes longer than what they do. */
static int collect_by_hands(struct mem_table *tab)
{
	_cleanup_free_ struct mm_batch *b = calloc(tab->n_mms + 1, sizeof(*b));
	_cleanup_free_ struct remote **hands = calloc(tab->n_mms + 1, sizeof(*hands));
	size_t which;
	int ret;

	if (!b || !hands)
		return log_oom();
	for (size_t i = 0; i < tab->n_mms; i++) {
		hands[i] = tab->mms[i].task->hand;
		ask_mm(&tab->mms[i], &b[i]);
	}
	ret = remote_run_all(hands, tab->n_mms, &which);
	if (ret < 0)
		return log_errno(ret, "pid %d: cannot ask for its memory", hands[which]->pid);
	for (size_t i = 0; ret >= 0 && i < tab->n_mms; i++)
		ret = take_mm(&tab->mms[i], &b[i]);
	return ret;
}

static int collect_mm(struct dump *d, struct task *t)
{
	struct mem_table *tab = d->mem;
	uint32_t flags = 0;
	struct mm *m;
	int ret;

	if (!GROW(tab->mms, tab->n_mms))
		return log_oom();
	m = &tab->mms[tab->n_mms];
	*m = (struct mm){ .task = t, .msg = malloc(sizeof(*m->msg)) };
	if (!m->msg)
		return log_oom();
	mm_entry__init(m->msg);
	tab->n_mms++;
	m->msg->id = t->mm_id;
	ret = collect_stat(m);
	if (ret >= 0)
		ret = collect_auxv(m);
	if (ret >= 0)
		ret = collect_exe(d, m);
	if (ret >= 0)
		ret = mm_read_vmas(t, &m->vmas, &flags);
	if (ret >= 0 && flags & VF_LOCKED) { /* what is mapped now is locked: mlockall(MCL_FUTURE) */
		m->msg->has_lock_future = true;
		m->msg->lock_future = MCL_FUTURE | (flags & VF_LOCKONFAULT ? MCL_ONFAULT : 0);
	}
	return ret < 0 ? ret : collect_areas(d, m);
}

int mem_collect(struct dump *d)
{
	mem_dump_done(d);
	d->mem = calloc(1, sizeof(*d->mem));
	if (!d->mem)
		return log_oom();
	for (size_t i = 0; i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];
		int ret;

		if (t->state == TASK_ZOMBIE || !t->mm_first)
			continue;
		ret = collect_mm(d, t);
		if (ret < 0)
			return ret;
	}
	return collect_by_hands(d->mem);
}

static void free_msg(void *msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
}

void mem_dump_done(struct dump *d)
{
	struct mem_table *tab = d->mem;

	if (!tab)
		return;
	for (size_t i = 0; i < tab->n_mms; i++) {
		vmas_done(&tab->mms[i].vmas);
		free_msg(tab->mms[i].msg);
	}
	for (size_t i = 0; i < tab->n_shmems; i++) {
		close(tab->shmems[i].fd);
		free_msg(tab->shmems[i].msg);
	}
	for (size_t i = 0; i < tab->n_files; i++)
		free(tab->files[i].name);
	for (size_t i = 0; i < tab->n_mem_fds; i++)
		close(tab->mem_fds[i]);
	free_msg(tab->vdso);
	free(tab->mms);
	free(tab->shmems);
	free(tab->files);
	free(tab->sources);
	free(tab->mem_fds);
	map_done(&tab->frames);
	free(tab);
	d->mem = NULL;
}
