/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree cloned again: pids by set_tid, parents, sessions, groups.
 *
 * A child belongs to the session its parent is in when it is cloned, so a parent clones the children
 * of its old session before its own setsid(), the others after. Members of a session whose leader
 * is gone are cloned by a helper that has the leader's pid, with CLONE_PARENT. A process group whose
 * leader is gone needs a task with that pid for a moment, too.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/tty.h"
#include "ns/ns.h"
#include "task/store.h"
#include "task/task.h"

#define REAP_LOOKS 200
#define REAP_PAUSE_US 10000

static int32_t root_pid_of(const TaskEntry *m)
{
	return m->ns_pids[m->n_ns_pids - 1];
}

/* Is @t the leader of its session? */
static bool is_leader(const struct rtask *t)
{
	return t->msg->sid > 0 && t->msg->sid == root_pid_of(t->msg);
}

static struct session_helper *find_helper(const struct restore *r, int32_t sid)
{
	for (size_t i = 0; i < r->tree->n_helpers; i++)
		if (r->tree->helpers[i].sid == sid)
			return &r->tree->helpers[i];
	return NULL;
}

/* A task that is in a session not its parent's, without being its leader. */
static int plan_member(struct restore *r, struct rtask *t)
{
	struct tree_store *s = r->tree;
	struct session_helper *h;

	if (t->msg->sid <= 0 || is_leader(t) || !t->parent || t->parent->msg->sid == t->msg->sid)
		return 0;
	if (restore_find_pid(r, t->msg->sid))
		return 0; /* cloned before its parent's setsid(), or an error found then */
	h = find_helper(r, t->msg->sid);
	if (h && h->parent != t->parent) {
		log_error("pid %d: session %d has no leader and members with different parents; cannot be "
			  "restored",
			  t->msg->pid, t->msg->sid);
		return -EOPNOTSUPP;
	}
	if (h)
		return 0;
	if (!GROW(s->helpers, s->n_helpers))
		return log_oom();
	s->helpers[s->n_helpers++] =
		(struct session_helper){ .sid = t->msg->sid, .parent = t->parent, .pidfd = -1 };
	return 0;
}

int tree_plan(struct restore *r)
{
	struct tree_store *s = r->tree;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++) {
		ret = plan_member(r, &r->tasks[i]);
		s->n_slots += MAX(r->tasks[i].n_threads, (size_t)1);
	}
	/* Each task may need one more for the leader of its group. */
	s->n_slots += s->n_helpers + r->n_tasks;
	return ret;
}

size_t tree_slots(const struct restore *r)
{
	return r->tree->n_slots;
}

/* Runs in the new root task: a copy of the coordinator that becomes an executor at once. */
static void root_main(struct restore *r, const struct remote *h, int end)
{
	void (*entry)(struct slot *) = (void (*)(struct slot *))r->arena;
	int ctl = h->slot->ctl;

	if (dup3(end, ctl, 0) < 0)
		_exit(1);
	/* Our copy of the coordinator's end, too: its death must be seen. */
	syscall(SYS_close_range, 0, ctl - 1, 0);
	syscall(SYS_close_range, ctl + 1, ~0U, 0);
	entry(h->slot);
}

static bool is_zombie(pid_t pid)
{
	_cleanup_free_ char *stat = NULL;
	const char *state = proc_read(pid, "stat", &stat) < 0 ? NULL : proc_stat_field(stat, 3);

	return state && (*state == 'Z' || *state == 'X');
}

/* What was dumped a moment ago may wait for the host's init to reap it; its pids are taken until then. */
static void wait_reaped(const struct restore *r)
{
	int looks = 0;

	if (r->tasks[0].msg->ns_ids[NS_PID])
		return;
	for (size_t i = 0; i < r->n_tasks; i++)
		while (looks++ < REAP_LOOKS && is_zombie(r->tasks[i].msg->pid))
			usleep(REAP_PAUSE_US);
}

static int clone_root(struct restore *r, const struct remote *h, int end, int *ret_pidfd)
{
	struct rtask *t = &r->tasks[0];
	int32_t tids[32];
	struct clone_args a = {
		.flags = CLONE_PIDFD | ns_clone_flags(r, t) | (r->opt->restore_sibling ? CLONE_PARENT : 0),
		.pidfd = (uint64_t)ret_pidfd,
		.exit_signal = r->opt->restore_sibling ? 0 : SIGCHLD,
		.set_tid = (uint64_t)tids,
		.set_tid_size = t->msg->n_ns_pids,
	};
	sigset_t all, old;
	pid_t pid;

	memcpy(tids, t->msg->ns_pids, t->msg->n_ns_pids * sizeof(*tids));
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = sys_clone3(&a);
	if (pid == 0)
		root_main(r, h, end);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -errno : pid;
}

static int own(struct rtask *t, struct remote *hand, int pidfd)
{
	t->pidfd = pidfd;
	t->pid = hand->pid;
	t->hand = t->threads[0].hand = hand;
	t->threads[0].tid = hand->pid;
	return 0;
}

int tree_clone_root(struct restore *r)
{
	struct rtask *t = &r->tasks[0];
	struct remote *h;
	int end, pidfd = -1, ret = hand_new(r, &h, &end);

	if (ret < 0)
		return ret;
	wait_reaped(r);
	ret = clone_root(r, h, end, &pidfd);
	/* no process, but the session or group of one that is not reaped */
	for (int i = 0; ret == -EEXIST && i < REAP_LOOKS && kill(t->msg->pid, 0) < 0; i++) {
		usleep(REAP_PAUSE_US);
		ret = clone_root(r, h, end, &pidfd);
	}
	close(end);
	if (ret == -EEXIST)
		log_error("pid %d is taken on this host; end that process or restore in an own pid namespace",
			  t->msg->pid);
	else if (ret < 0)
		log_errno(ret, "the root task (pid %d) cannot be cloned", t->msg->pid);
	if (ret < 0) {
		hand_free(h);
		return ret;
	}
	h->pid = ret;
	h->pidfd = fd_high(pidfd);
	r->tree->root_pid = ret;
	own(t, h, h->pidfd);
	ret = is_leader(t) ? (int)remote_syscall(h, SYS_setsid) : 0;
	return ret < 0 ? log_errno(ret, "root task") : 0;
}

static int clone_child(struct restore *r, struct rtask *c, struct remote *by, uint64_t flags)
{
	const TaskEntry *m = c->msg, *p = c->parent->msg;
	const struct clone_spec spec = {
		.set_tid = m->ns_pids,
		.n_tids = m->n_ns_pids,
		.flags = flags | ns_clone_flags(r, c) |
			 (m->has_fs_id && m->fs_id == p->fs_id ? CLONE_FS : 0) |
			 (m->has_files_id && m->files_id == p->files_id ? CLONE_FILES : 0),
		.exit_signal = m->exit_signal,
	};
	struct remote *hand;
	int pidfd = -1, ret = ns_before_child(r, c->parent, c);

	if (ret < 0)
		return ret;
	ret = clone_task(r, by, &spec, &hand, &pidfd);
	if (ret == -EEXIST)
		log_error("pid %d is taken; it cannot be given to its task", m->pid);
	if (ret < 0)
		return log_errno(ret, "pid %d cannot be cloned", m->pid);
	ret = ns_after_child(r, c->parent, c);
	return ret < 0 ? ret : own(c, hand, pidfd);
}

static int start_helper(struct restore *r, struct session_helper *h)
{
	const struct clone_spec spec = { .set_tid = &h->sid, .n_tids = 1, .exit_signal = SIGCHLD };
	int ret = clone_task(r, h->parent->hand, &spec, &h->hand, &h->pidfd);

	if (ret >= 0)
		ret = (int)remote_syscall(h->hand, SYS_setsid);
	return ret < 0 ? log_errno(ret, "helper for the session %d, whose leader is gone", h->sid) : 0;
}

/* Children of @t of its old session (@early), or of its own. */
static int clone_some(struct restore *r, struct rtask *t, bool early)
{
	int ret = 0;

	for (size_t i = t->index + 1; ret >= 0 && i < r->n_tasks; i++) {
		struct rtask *c = &r->tasks[i];
		struct session_helper *h = find_helper(r, c->msg->sid);
		bool foreign = is_leader(t) && c->msg->sid != t->msg->sid && !is_leader(c);

		if (c->parent != t || c->hand)
			continue;
		if (h && h->parent == t && c->msg->sid != t->msg->sid) {
			if (!h->hand)
				ret = start_helper(r, h);
			if (ret >= 0)
				ret = clone_child(r, c, h->hand, CLONE_PARENT);
		} else if (foreign == early) {
			ret = clone_child(r, c, t->hand, 0);
		}
		if (ret >= 0 && c->hand && is_leader(c) && c->msg->state == 2)
			ret = (int)remote_syscall(c->hand, SYS_setsid);
	}
	return ret;
}

/*
 * A leader that is not the root begins its session between its early and its other children. The
 * root began its own when it was cloned.
 */
int tree_clone_children(struct restore *r, struct rtask *t)
{
	int ret = clone_some(r, t, true);

	if (ret >= 0 && t != &r->tasks[0] && is_leader(t)) {
		ret = (int)remote_syscall(t->hand, SYS_setsid);
		if (ret < 0)
			return log_errno(ret, "pid %d: session", t->msg->pid);
	}
	/* Its session's children get the controlling terminal by being cloned, in no other way. */
	if (ret >= 0)
		ret = files_ctty(r, t);
	return ret < 0 ? ret : clone_some(r, t, false);
}

static int reap_child(struct remote *by, int32_t pid)
{
	return (int)remote_syscall(by, SYS_wait4, pid, 0, __WALL, 0);
}

static void end_hand(struct remote *h)
{
	remote_call(h, SYS_exit_group, 0);
	(void)!remote_run(h);
}

/* The group @pgid has no leader: a child of @t is it for a moment. */
static int lone_group(struct restore *r, struct rtask *t, int32_t pgid)
{
	const struct clone_spec spec = { .set_tid = &pgid, .n_tids = 1, .exit_signal = SIGCHLD };
	struct remote *h;
	int pidfd, ret = clone_task(r, t->hand, &spec, &h, &pidfd);

	if (ret < 0)
		return ret;
	ret = (int)remote_syscall(h, SYS_setpgid, 0, 0);
	if (ret >= 0)
		ret = (int)remote_syscall(t->hand, SYS_setpgid, 0, pgid);
	end_hand(h);
	hand_free(h);
	close(pidfd);
	return ret < 0 ? ret : reap_child(t->hand, pgid);
}

static int set_group(struct restore *r, struct rtask *t, bool leaders)
{
	const TaskEntry *m = t->msg;
	bool leads = m->pgid == root_pid_of(m);
	int32_t pgid = m->pgid;
	int ret;

	if (pgid <= 0 || leads != leaders || is_leader(t) || m->n_ns_pids > r->tasks[0].msg->n_ns_pids)
		return 0;
	/* A shell's job belongs to the shell that runs us now. */
	if (r->opt->shell_job && !restore_find_pid(r, pgid))
		return 0;
	ret = (int)remote_syscall(t->hand, SYS_setpgid, 0, leads ? 0 : pgid);
	if (ret == -EPERM && !leads && !restore_find_pid(r, pgid) && !find_helper(r, pgid))
		ret = lone_group(r, t, pgid);
	return ret < 0 ? log_errno(ret, "pid %d: process group %d", m->pid, pgid) : 0;
}

/* A zombie ends as it did. Its hand never answers: end-of-file is the answer. */
static int end_zombie(struct rtask *t)
{
	int code = t->msg->exit_code, sig = code & 0x7f;
	struct remote *h = t->hand;
	uint64_t *mask = remote_alloc(h, sizeof(*mask));
	int ret;

	remote_call(h, SYS_prctl, 15 /* PR_SET_NAME */, remote_str(h, t->msg->comm));
	ret = remote_run(h);
	if (ret < 0)
		return log_errno(ret, "pid %d: zombie", t->msg->pid);
	mask = remote_alloc(h, sizeof(*mask));
	*mask = sig ? ~(1ULL << (sig - 1)) : ~0ULL;
	remote_call(h, SYS_rt_sigprocmask, SIG_SETMASK, remote_addr(h, mask), 0, 8);
	if (sig)
		remote_call(h, SYS_kill, t->msg->pid, sig);
	remote_call(h, SYS_exit_group, (code >> 8) & 0xff);
	ret = remote_run(h);
	return ret == -ECONNRESET ? 0 : ret < 0 ? log_errno(ret, "pid %d: zombie", t->msg->pid) : -EIO;
}

int tree_finish(struct restore *r)
{
	int ret = 0;

	for (int leaders = 1; leaders >= 0; leaders--)
		for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++)
			ret = set_group(r, &r->tasks[i], leaders);
	for (size_t i = 0; ret >= 0 && i < r->tree->n_helpers; i++) {
		struct session_helper *h = &r->tree->helpers[i];

		if (!h->hand)
			continue;
		end_hand(h->hand);
		hand_free(TAKE_PTR(h->hand));
		ret = reap_child(h->parent->hand, h->sid);
	}
	for (size_t i = r->n_tasks; ret >= 0 && i-- > 0;) {
		struct rtask *t = &r->tasks[i];

		if (t->msg->state != 2)
			continue;
		ret = end_zombie(t);
		hand_free(TAKE_PTR(t->threads[0].hand));
		t->hand = NULL;
	}
	return ret;
}
