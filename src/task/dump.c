/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tasks.img: everything that hangs on one task or thread, by its kinds (kinds.h). */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"
#include "image/image.h"
#include "remote/infect.h"
#include "task/kinds.h"
#include "task/said.h"
#include "task/task.h"

/* From the dumped root's namespace (@level of the list) inwards, innermost first. */
static int ns_pids(const char *status, int level, int32_t **ret, size_t *ret_n)
{
	int32_t v[32];
	int n = proc_ns_numbers(status, "NSpid", v);

	if (n <= level)
		return -EINVAL;
	*ret = calloc(n - level, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (int i = n - 1; i >= level; i--)
		(*ret)[(*ret_n)++] = v[i];
	return 0;
}

static int root_level(const struct dump *d)
{
	_cleanup_free_ char *status = NULL;
	int32_t v[32];

	if (read_text_at(d->tasks[0]->proc, "status", &status) < 0)
		return -ESRCH;
	return proc_ns_numbers(status, "NSpid", v) - 1;
}

static char *read_comm(pid_t tid)
{
	char *comm = NULL;

	if (proc_read(tid, "comm", &comm) < 0)
		return NULL;
	comm[strcspn(comm, "\n")] = 0;
	return comm;
}

static int thread_ids(struct task_thread *th, int level)
{
	_cleanup_free_ char *status = NULL;
	ThreadEntry *m = th->msg;
	int ret = proc_read(th->tid, "status", &status);

	if (ret >= 0)
		ret = ns_pids(status, level, &m->ns_tids, &m->n_ns_tids);
	if (ret < 0)
		return ret;
	m->tid = m->ns_tids[0];
	free(m->comm == protobuf_c_empty_string ? NULL : m->comm);
	m->comm = read_comm(th->tid);
	return m->comm ? 0 : -ENOMEM;
}

static int thread_addresses(struct task_thread *th)
{
	uint64_t head = 0, len = 0;

	th->msg->clear_tid = th->said->tid_address;
	if (th->said->pdeath_sig) {
		th->msg->has_pdeath_sig = true;
		th->msg->pdeath_sig = th->said->pdeath_sig;
	}
	if (syscall(SYS_get_robust_list, th->tid, &head, &len) < 0)
		return -errno;
	if (head) {
		th->msg->has_robust_list = th->msg->has_robust_len = true;
		th->msg->robust_list = head;
		th->msg->robust_len = len;
	}
	return 0;
}

static int dump_thread(struct dump *d, struct task *t, struct task_thread *th)
{
	_cleanup_free_ char *status = NULL;
	uint32_t cg = 0;
	int ret = proc_read(th->tid, "status", &status);

	if (ret >= 0)
		ret = creds_dump(t, th, status);
	if (ret >= 0)
		ret = sched_dump(t, th);
	if (ret >= 0)
		ret = signals_dump_thread(th);
	if (ret >= 0)
		ret = switches_dump(th);
	if (ret >= 0)
		ret = thread_addresses(th);
	if (ret >= 0)
		ret = cgroup_id_of(d, th->tid, &cg);
	if (ret < 0)
		return log_errno(ret, "pid %d thread %d", t->pid, th->tid);
	th->msg->has_cgroup_id = cg != 0;
	th->msg->cgroup_id = cg;
	return 0;
}

static int task_ids(struct dump *d, struct task *t, int level)
{
	_cleanup_free_ char *status = NULL, *stat = NULL;
	TaskEntry *m = t->msg;
	int32_t v[32];
	const char *f;
	int ret = read_text_at(t->proc, "status", &status);

	if (ret >= 0)
		ret = read_text_at(t->proc, "stat", &stat);
	if (ret >= 0)
		ret = ns_pids(status, level, &m->ns_pids, &m->n_ns_pids);
	if (ret < 0)
		return ret;
	m->id = t->id;
	m->parent_id = t->parent ? t->parent->id : 0;
	m->pid = m->ns_pids[0];
	m->pgid = proc_ns_numbers(status, "NSpgid", v) > level ? v[level] : 0;
	m->sid = proc_ns_numbers(status, "NSsid", v) > level ? v[level] : 0;
	m->state = t->state;
	f = proc_stat_field(stat, 38);
	m->exit_signal = f ? atoi(f) : SIGCHLD;
	m->n_ns_ids = NS_KINDS;
	m->ns_ids = calloc(NS_KINDS, sizeof(uint32_t));
	if (!m->ns_ids)
		return -ENOMEM;
	for (int k = 0; k < NS_KINDS; k++)
		m->ns_ids[k] = t->ns[k] ? t->ns[k]->id : 0;
	if (t->state != TASK_ZOMBIE)
		return 0;
	f = proc_stat_field(stat, 52);
	m->has_exit_code = true;
	m->exit_code = f ? atoi(f) : 0;
	m->comm = read_comm(t->pid);
	return m->comm ? 0 : -ENOMEM;
}

static int dump_task(struct dump *d, struct task *t)
{
	TaskEntry *m = t->msg;
	int ret = 0;

	m->has_mm_id = m->has_files_id = m->has_fs_id = m->has_sighand_id = true;
	m->mm_id = t->mm_id;
	m->files_id = t->files_id;
	m->fs_id = t->fs_id;
	m->sighand_id = t->sighand_id;
	if (t->state == TASK_STOPPED) {
		m->has_stop_signal = true;
		m->stop_signal = t->threads[0].inf->stop_sig;
	}
	for (size_t i = 0; ret >= 0 && i < t->n_threads; i++)
		ret = dump_thread(d, t, &t->threads[i]);
	if (ret >= 0)
		ret = signals_dump(t);
	if (ret >= 0)
		ret = timers_dump(t);
	if (ret >= 0)
		ret = limits_dump(t);
	if (ret >= 0 && t->fs_first)
		ret = fs_dump(d, t);
	return ret < 0 ? log_errno(ret, "pid %d", t->pid) : 0;
}

/* The ThreadEntry messages move into the TaskEntry, which owns them from here. */
static int adopt_threads(struct task *t)
{
	t->msg->threads = calloc(MAX(t->n_threads, 1), sizeof(ThreadEntry *));
	if (!t->msg->threads)
		return -ENOMEM;
	for (size_t i = 0; t->state != TASK_ZOMBIE && i < t->n_threads; i++)
		t->msg->threads[t->msg->n_threads++] = TAKE_PTR(t->threads[i].msg);
	return 0;
}

static int ids_of_all(struct dump *d)
{
	int level = root_level(d), ret = level < 0 ? level : 0;

	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++) {
		struct task *t = d->tasks[i];

		ret = task_ids(d, t, level);
		for (size_t k = 0; ret >= 0 && t->state != TASK_ZOMBIE && k < t->n_threads; k++)
			ret = thread_ids(&t->threads[k], level);
		if (ret < 0)
			log_errno(ret, "pid %d: ids", t->pid);
	}
	return ret;
}

int tasks_dump(struct dump *d)
{
	struct image_file *f;
	int ret = ids_of_all(d), err;

	if (ret >= 0)
		ret = tasks_ask(d);
	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++) {
		if (d->tasks[i]->state != TASK_ZOMBIE)
			ret = dump_task(d, d->tasks[i]);
		if (ret >= 0)
			ret = adopt_threads(d->tasks[i]);
	}
	if (ret >= 0)
		ret = image_file_create(d->img, "tasks", &f);
	if (ret < 0)
		return ret;
	for (size_t i = 0; ret >= 0 && i < d->n_tasks; i++)
		ret = image_file_write(f, &d->tasks[i]->msg->base);
	err = image_file_close(f);
	return ret < 0 ? ret : err;
}
