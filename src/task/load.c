/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tasks.img read and checked: nothing later has to doubt a length or a reference. */
#include <signal.h>
#include <stdio.h>
#include <sys/user.h>

#include "base/log.h"
#include "image/image.h"
#include "task/store.h"
#include "task/task.h"

#define XSTATE_MAX 16384
#define NGROUPS 65536

static int bad(const TaskEntry *m, const char *what)
{
	log_error("tasks.img: task %u (pid %d): %s; the image is damaged", m->id, m->pid, what);
	return -EBADMSG;
}

static int check_thread(const TaskEntry *m, const ThreadEntry *th)
{
	if (th->gpregs.len != sizeof(struct user_regs_struct))
		return bad(m, "registers of a wrong size");
	if (th->xstate.len < 576 || th->xstate.len > XSTATE_MAX)
		return bad(m, "extended state of a wrong size");
	if (!th->n_ns_tids || th->n_ns_tids > 32 || th->ns_tids[0] != th->tid)
		return bad(m, "a thread without ids");
	if (th->creds->n_groups > NGROUPS)
		return bad(m, "too many groups");
	for (size_t i = 0; i < th->n_pending; i++)
		if (th->pending[i]->info.len != sizeof(siginfo_t))
			return bad(m, "a queued signal of a wrong size");
	return 0;
}

static int check_task(const TaskEntry *m, size_t index)
{
	int ret = 0;

	if (m->id != index + 1 || (index ? !m->parent_id || m->parent_id > index : m->parent_id != 0))
		return bad(m, "its id or parent is out of order");
	if (m->n_ns_ids != NS_KINDS || !m->n_ns_pids || m->n_ns_pids > 32 || m->ns_pids[0] != m->pid ||
	    m->pid <= 0)
		return bad(m, "pids or namespaces are missing");
	if (m->state > 2)
		return bad(m, "an unknown state");
	for (size_t i = 0; i < m->n_shared_pending; i++)
		if (m->shared_pending[i]->info.len != sizeof(siginfo_t))
			return bad(m, "a queued signal of a wrong size");
	if (m->state == 2)
		return m->comm ? 0 : bad(m, "a zombie without a name");
	if (!m->n_threads || m->threads[0]->tid != m->pid || !m->mm_id || !m->files_id || !m->fs_id)
		return bad(m, "parts of it are missing");
	for (size_t i = 0; ret >= 0 && i < m->n_threads; i++)
		ret = check_thread(m, m->threads[i]);
	for (size_t i = 0; i < m->n_sigactions; i++)
		if (m->sigactions[i]->sig < 1 || m->sigactions[i]->sig > 64)
			return bad(m, "an unknown signal");
	return ret;
}

static int fill_task(struct restore *r, size_t i)
{
	struct rtask *t = &r->tasks[i];
	const TaskEntry *m = r->tree->msgs[i];

	t->msg = m;
	t->index = i;
	t->pidfd = -1;
	t->parent = m->parent_id ? &r->tasks[m->parent_id - 1] : NULL;
	if (t->parent && t->parent->msg->state == 2)
		return bad(m, "its parent is a zombie");
	t->n_threads = m->n_threads;
	t->threads = calloc(MAX(m->n_threads, 1), sizeof(*t->threads));
	if (!t->threads)
		return log_oom();
	for (size_t k = 0; k < m->n_threads; k++)
		t->threads[k].msg = m->threads[k];
	return 0;
}

int tasks_load(struct restore *r)
{
	struct tree_store *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return log_oom();
	s->memfd = -1;
	r->tree = s;
	ret = image_read(r->img, "tasks", &task_entry__descriptor, (ProtobufCMessage ***)&s->msgs,
			 &s->n_msgs);
	if (ret < 0)
		return ret;
	if (!s->n_msgs || s->msgs[0]->state == 2) {
		log_error("tasks.img holds no living root task; the image is damaged");
		return -EBADMSG;
	}
	for (size_t i = 0; i < s->n_msgs; i++) {
		ret = check_task(s->msgs[i], i);
		if (ret < 0)
			return ret;
	}
	r->tasks = calloc(s->n_msgs, sizeof(*r->tasks));
	if (!r->tasks)
		return log_oom();
	r->n_tasks = s->n_msgs;
	for (size_t i = 0; ret >= 0 && i < s->n_msgs; i++)
		ret = fill_task(r, i);
	return ret;
}

void tree_restore_done(struct restore *r)
{
	struct tree_store *s = r->tree;

	for (size_t i = 0; i < r->n_tasks; i++) {
		for (size_t k = 0; r->tasks[i].threads && k < r->tasks[i].n_threads; k++)
			hand_free(r->tasks[i].threads[k].hand);
		free(r->tasks[i].threads);
		close_fd(&r->tasks[i].pidfd);
	}
	free(r->tasks);
	r->tasks = NULL;
	r->n_tasks = 0;
	if (!s)
		return;
	for (size_t i = 0; i < s->n_helpers; i++) {
		hand_free(s->helpers[i].hand);
		close_fd(&s->helpers[i].pidfd);
	}
	free(s->helpers);
	image_messages_free((ProtobufCMessage **)s->msgs, s->n_msgs);
	close_fd(&s->memfd);
	free(s);
	r->tree = NULL;
}
