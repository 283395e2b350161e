/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The road of a restore, as a table. The whole image is read, verified and planned before the first
 * process exists. Until the commit a failure kills what was made and removes what lies outside of
 * the new namespaces. What is lost at the commit: nothing; from there the tasks run.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/guard.h"
#include "base/io.h"
#include "base/log.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"
#include "engine/engine.h"
#include "engine/report.h"
#include "engine/roads.h"
#include "engine/scripts.h"
#include "engine/stage.h"
#include "file/file.h"
#include "file/keeper.h"
#include "file/tty.h"
#include "image/image.h"
#include "mem/mem.h"
#include "mnt/mnt.h"
#include "net/net.h"
#include "ns/ns.h"
#include "sock/shared.h"
#include "sock/sock.h"
#include "task/kinds.h"
#include "task/task.h"

struct restoring {
	const struct options *opt;
	struct restore r;
	struct netlock *lock;
	struct guard guard; /* see guard_silence() */
	bool pidfile_made;
	double begin_ms, end_ms;
};

static int stage_load(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = image_open(c->opt->images_dir, &r->img);

	if (ret >= 0)
		ret = tasks_load(r);
	if (ret >= 0)
		ret = ns_load(r);
	if (ret >= 0)
		ret = files_load(r);
	if (ret >= 0)
		ret = sock_load_waiting(r);
	if (ret >= 0)
		ret = mem_load(r);
	if (ret >= 0)
		ret = mnt_load(r);
	if (ret >= 0)
		ret = net_load(r);
	if (ret >= 0)
		ret = sock_load(r);
	return ret < 0 ? ret : cgroup_load(r);
}

static int open_root(struct restoring *c)
{
	const char *path = c->opt->root ? c->opt->root : options_external(c->opt, "mnt", "/");

	c->r.root_fd = -1;
	if (!path)
		return 0;
	c->r.root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->r.root_fd < 0)
		return log_errno(-errno, "root directory %s", path);
	c->r.root_fd = fd_high(c->r.root_fd);
	return 0;
}

static int stage_plan(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = open_root(c);

	if (ret >= 0)
		ret = files_plan(r);
	if (ret >= 0)
		ret = shared_plan(r);
	if (ret >= 0)
		ret = mnt_plan(r);
	if (ret >= 0)
		ret = net_plan(r);
	if (ret >= 0)
		ret = tree_plan(r);
	return ret < 0 ? ret : arena_make(r);
}

static int stage_pre_restore(void *ctx)
{
	struct restoring *c = ctx;

	return scripts_run(c->opt, "pre-restore", image_dirfd(c->r.img), 0);
}

static int stage_root(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	struct rtask *root = &r->tasks[0];
	int ret = cgroup_make(r);

	if (ret >= 0)
		ret = ns_before_root(r);
	if (ret >= 0)
		ret = tree_clone_root(r);
	if (ret >= 0 && root->msg->threads[0]->has_cgroup_id)
		ret = cgroup_place(r, root->pid, root->msg->threads[0]->cgroup_id);
	return ret < 0 ? ret : ns_after_clone(r, root);
}

/*
 * The root's pid namespace takes its members along; host tasks are killed one by one. All have ended
 * when this returns: whoever called us removes their cgroups.
 */
static void kill_all(struct restore *r)
{
	double end = stage_now_ms() + 10000;

	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].pidfd >= 0)
			sys_pidfd_send_signal(r->tasks[i].pidfd, SIGKILL);
	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].pidfd >= 0)
			(void)reap_until(r->tasks[i].pidfd, end);
	while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
		;
}

/*
 * Sockets are about to leave repair mode: from now on their end would be heard of. Should we be killed, a
 * child ends what there is before it leaves, and the network lock, of which it has a copy, with it: the image
 * can be restored once more.
 */
static void end_silently(void *arg)
{
	struct restoring *c = arg;

	kill_all(&c->r);
	(void)net_undo(&c->r);
	(void)cgroup_undo(&c->r);
}

static int guard_silence(struct restoring *c)
{
	int ret = guard_start(&c->guard, end_silently, c, NULL, 0);

	return ret < 0 ? log_errno(ret, "a child that guards the restore") : 0;
}

static void undo_root(void *ctx)
{
	struct restoring *c = ctx;

	kill_all(&c->r);
	(void)net_undo(&c->r);
	guard_dismiss(&c->guard);
	net_unlock(c->lock);
	c->lock = NULL;
	(void)cgroup_undo(&c->r);
	keeper_done(&c->r);
}

static bool has_namespaces(const struct restore *r)
{
	for (int k = 0; k < NS_KINDS; k++)
		if (r->tasks[0].msg->ns_ids[k])
			return true;
	return false;
}

static int run_scripts(struct restoring *c, const char *action, bool only_namespaces)
{
	if (only_namespaces && !has_namespaces(&c->r))
		return 0;
	return scripts_run(c->opt, action, image_dirfd(c->r.img), c->r.tasks[0].pid);
}

static int stage_setup_namespaces(void *ctx)
{
	return run_scripts(ctx, "setup-namespaces", true);
}

/* Is @t the first task of its namespace of @kind? */
static bool first_in(const struct restore *r, const struct rtask *t, enum ns_kind kind)
{
	return t->msg->ns_ids[kind] && restore_task_in(r, kind, t->msg->ns_ids[kind]) == t;
}

/*
 * What is done in a namespace of the image must never be done to the coordinator's own: an image that
 * lies, or a clone that went wrong, ends here.
 */
static int check_own(const struct rtask *t, enum ns_kind kind)
{
	uint64_t theirs, ours;
	int ret = proc_ns_ino(t->pid, ns_names[kind], &theirs);

	if (ret >= 0)
		ret = proc_ns_ino(getpid(), ns_names[kind], &ours);
	if (ret < 0)
		return log_errno(ret, "pid %d: its %s namespace", t->msg->pid, ns_names[kind]);
	if (theirs != ours)
		return 0;
	log_error("pid %d stands in the %s namespace of ctcr, not in its own; the image is damaged",
		  t->msg->pid, ns_names[kind]);
	return -EXDEV;
}

static int check_world(const struct restore *r, const struct rtask *t)
{
	static const enum ns_kind kinds[] = { NS_NET, NS_MNT, NS_UTS, NS_IPC, NS_PID };
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(kinds); i++)
		if (first_in(r, t, kinds[i]))
			ret = check_own(t, kinds[i]);
	return ret;
}

/* The namespaces @t is the first in, by its hand. */
static int make_world(struct restore *r, struct rtask *t)
{
	int ret = check_world(r, t);

	if (ret >= 0 && first_in(r, t, NS_NET)) {
		ret = net_restore_links(r, t);
		if (ret >= 0)
			ret = net_restore_config(r, t);
	}
	if (ret >= 0 && first_in(r, t, NS_MNT))
		ret = mnt_restore(r, t);
	return ret < 0 ? ret : ns_restore(r, t);
}

static int stage_world(void *ctx)
{
	struct restoring *c = ctx;
	struct rtask *root = &c->r.tasks[0];
	int ret = net_lock_restore(&c->r, &c->lock);

	if (ret >= 0)
		ret = ns_enter(&c->r, root);
	if (ret >= 0)
		ret = make_world(&c->r, root);
	return ret;
}

static int stage_post_setup(void *ctx)
{
	return run_scripts(ctx, "post-setup-namespaces", true);
}

static int stage_tree(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++) {
		struct rtask *t = &r->tasks[i];

		if (!t->hand)
			return log_errno(-EBADMSG, "pid %d: no task cloned it", t->msg->pid);
		if (t->msg->state == 2)
			continue;
		if (i)
			ret = ns_after_clone(r, t);
		if (ret >= 0 && i)
			ret = ns_enter(r, t);
		if (ret >= 0 && i)
			ret = make_world(r, t);
		if (ret >= 0)
			ret = mem_restore(r, t);
		if (ret >= 0)
			ret = tree_clone_children(r, t);
	}
	if (ret >= 0)
		ret = net_settle(r);
	return ret < 0 ? ret : mnt_finish(r);
}

static bool first_of(const struct restore *r, size_t index, uint32_t (*id)(const TaskEntry *))
{
	for (size_t i = 0; i < index; i++)
		if (r->tasks[i].hand && id(r->tasks[i].msg) == id(r->tasks[index].msg))
			return false;
	return true;
}

static uint32_t files_id(const TaskEntry *m)
{
	return m->files_id;
}

static uint32_t fs_id(const TaskEntry *m)
{
	return m->fs_id;
}

static int stage_objects(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = files_restore(r);

	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++) {
		if (r->tasks[i].msg->state == 2)
			continue;
		if (first_of(r, i, files_id))
			ret = files_install(r, &r->tasks[i]);
		if (ret >= 0 && first_of(r, i, fs_id))
			ret = fs_restore(r, &r->tasks[i]);
		/* needs a single thread, and drops the power over what is outside */
		if (ret >= 0)
			ret = ns_enter_user(r, &r->tasks[i]);
		if (ret >= 0)
			ret = threads_clone(r, &r->tasks[i]);
	}
	return ret;
}

static int stage_groups(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = tree_finish(r);

	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++)
		if (r->tasks[i].hand)
			ret = files_ctty(r, &r->tasks[i]);
	return ret;
}

static int stage_become(void *ctx)
{
	struct restoring *c = ctx;
	struct restore *r = &c->r;
	int ret = guard_silence(c);

	if (ret >= 0)
		ret = sock_restore_waiting(r);
	if (ret >= 0)
		ret = files_finish(r);
	if (ret >= 0)
		ret = sock_restore_orphans(r);
	if (ret >= 0)
		ret = net_restore_filters(r);
	if (ret >= 0)
		sock_drain_netlink(r);
	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++)
		if (r->tasks[i].hand)
			ret = mem_finish(r, &r->tasks[i]);
	if (ret >= 0)
		ret = ns_finish(r);
	if (ret >= 0)
		ret = tree_seize(r);
	for (size_t i = 0; ret >= 0 && i < r->n_tasks; i++)
		if (r->tasks[i].hand)
			ret = task_become(r, &r->tasks[i]);
	return ret < 0 ? ret : cgroup_limits(r);
}

static int stage_post_restore(void *ctx)
{
	return run_scripts(ctx, "post-restore", false);
}

static int write_pidfile(struct restoring *c)
{
	char text[16];
	int fd, n, ret;

	if (!c->opt->pidfile)
		return 0;
	fd = open(c->opt->pidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_errno(-errno, "pid file %s", c->opt->pidfile);
	c->pidfile_made = true;
	n = snprintf(text, sizeof(text), "%d", c->r.tasks[0].pid);
	ret = write_all(fd, text, n);
	close(fd);
	return ret < 0 ? log_errno(ret, "pid file %s", c->opt->pidfile) : 0;
}

static int stage_arm(void *ctx)
{
	struct restoring *c = ctx;
	int ret = write_pidfile(c);

	if (ret >= 0)
		ret = keeper_start(&c->r, c->r.tasks[0].pid);
	return ret < 0 ? ret : tree_arm(&c->r);
}

static void undo_arm(void *ctx)
{
	struct restoring *c = ctx;

	if (c->pidfile_made)
		unlink(c->opt->pidfile);
}

static int stage_release(void *ctx)
{
	struct restoring *c = ctx;

	(void)net_unhold(&c->r); /* the network is locked still */
	tree_survive(&c->r);
	guard_dismiss(&c->guard); /* there is no way back from here */
	if (c->r.tasks[0].msg->ns_ids[NS_NET])
		(void)run_scripts(c, "network-unlock", true);
	net_unlock(c->lock);
	c->lock = NULL;
	sock_forget_own_news(&c->r);
	sock_connect(&c->r);
	(void)run_scripts(c, "pre-resume", false);
	if (c->opt->shell_job && getpgid(c->r.tasks[0].pid) == c->r.tasks[0].pid)
		tty_foreground(c->r.tasks[0].pid);
	return 0;
}

static int stage_resume(void *ctx)
{
	struct restoring *c = ctx;
	int ret = net_finish(&c->r), err = tree_resume(&c->r);

	files_remove_links(&c->r);
	(void)run_scripts(c, "post-resume", false);
	return ret < 0 ? ret : err;
}

static const struct stage stages[] = {
	{ .name = "load", .run = stage_load },
	{ .name = "plan", .run = stage_plan },
	{ .name = "pre-restore", .run = stage_pre_restore },
	{ .name = "root", .run = stage_root, .undo = undo_root },
	{ .name = "setup-namespaces", .run = stage_setup_namespaces },
	{ .name = "world", .run = stage_world },
	{ .name = "post-setup-namespaces", .run = stage_post_setup },
	{ .name = "tree", .run = stage_tree },
	{ .name = "objects", .run = stage_objects },
	{ .name = "groups", .run = stage_groups },
	{ .name = "become", .run = stage_become },
	{ .name = "post-restore", .run = stage_post_restore },
	{ .name = "arm", .run = stage_arm, .undo = undo_arm },
	{ .name = "release", .run = stage_release, .commit = true },
	{ .name = "resume", .run = stage_resume },
};

static void restore_done(struct restoring *c)
{
	struct restore *r = &c->r;

	sock_restore_done(r);
	files_restore_done(r);
	mem_restore_done(r);
	mnt_restore_done(r);
	net_restore_done(r);
	tree_restore_done(r);
	ns_restore_done(r);
	image_free(r->img);
	close_fd(&r->root_fd);
}

/* Tasks talk to us in short batches: everything on one CPU; each gets its own affinity back. */
static void pin_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* In the foreground until the root task ends, however it does: the restore went well. */
static int wait_root(pid_t root)
{
	while (waitpid(root, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int stay(struct restore *r, pid_t root)
{
	int ret;

	stages_unblock_signals();
	ret = wait_root(root);
	cgroup_ended(r);
	if (r->opt->shell_job)
		tty_foreground(0);
	return ret;
}

int engine_restore(const struct options *opt)
{
	struct restoring c = { .opt = opt, .r = { .opt = opt, .root_fd = -1 }, .begin_ms = stage_now_ms() };
	double ms[ARRAY_SIZE(stages)] = { 0 };
	struct restore_facts facts;
	pid_t root;
	int ret;

	stages_block_signals();
	ret = engine_limits();
	if (ret < 0)
		return ret;
	pin_cpu();
	ret = stages_run(stages, ARRAY_SIZE(stages), &c, ms);
	c.end_ms = stage_now_ms();
	facts = (struct restore_facts){ c.r.n_tasks, mem_pages(&c.r), c.end_ms - c.begin_ms };
	root = c.r.n_tasks ? c.r.tasks[0].pid : 0;
	restore_done(&c);
	if (ret < 0) {
		cgroup_restore_done(&c.r);
		return ret;
	}
	(void)restore_report(opt, &(struct road_times){ stages, ms, ARRAY_SIZE(stages) }, &facts);
	if (!opt->detached)
		ret = stay(&c.r, root);
	cgroup_restore_done(&c.r);
	return ret;
}
