/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The road of a dump, as a table. Until the commit every stage is taken back on failure and the
 * container goes on as it was; the commit is the moment the image is complete on disk and no script
 * refused it. What is lost after it: the source (unless it is to go on).
 */
#include <signal.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/log.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "cgroup/cgroup.h"
#include "engine/dumping.h"
#include "engine/engine.h"
#include "engine/guardian.h"
#include "engine/report.h"
#include "engine/roads.h"
#include "engine/scripts.h"
#include "engine/stage.h"
#include "file/file.h"
#include "image/image.h"
#include "mem/mem.h"
#include "mnt/mnt.h"
#include "net/net.h"
#include "ns/ns.h"
#include "sock/sock.h"
#include "task/kinds.h"
#include "task/task.h"

#define HOLD_ATTEMPTS 20
#define HOLD_PAUSE_US 50000
#define MOMENT_ATTEMPTS 20
#define MOMENT_PAUSE_US 60000

static int stage_survey(void *ctx)
{
	struct dumping *c = ctx;
	int ret = dump_survey(&c->d, c->opt->pid);

	if (ret >= 0)
		ret = freezer_open(c->opt->pid, c->opt->freeze_cgroup, &c->freezer);
	return ret;
}

static void undo_survey(void *ctx)
{
	struct dumping *c = ctx;

	dump_forget(&c->d);
}

static int stage_image(void *ctx)
{
	struct dumping *c = ctx;

	return image_create(c->opt->images_dir, &c->d.img);
}

static void undo_image(void *ctx)
{
	struct dumping *c = ctx;

	/* CRIU's users expect the images of a dump that a script refused; ours must not be restored by
	 * mistake. */
	if (c->d.img && !(c->refused && c->opt->criu))
		image_remove(c->d.img);
	image_free(c->d.img);
	c->d.img = NULL;
}

static int stage_pre_dump(void *ctx)
{
	struct dumping *c = ctx;
	int ret = c->announced ? 0 : scripts_run(c->opt, "pre-dump", image_dirfd(c->d.img), c->opt->pid);

	c->announced = true; /* once, however often the road is begun again */
	return ret;
}

/* Let everybody go; the tree may be held partly. */
static void let_go(struct dumping *c)
{
	tree_cure(&c->d);
	if (c->freezer && freezer_was_frozen(c->freezer))
		(void)freezer_refreeze(c->freezer);
	tree_release(&c->d);
	tree_clear(&c->d);
	guard_dismiss(&c->guardian);
	c->thawed_ms = stage_now_ms();
}

static int stage_freeze(void *ctx)
{
	struct dumping *c = ctx;
	int ret = 0;

	for (int i = 0; i < HOLD_ATTEMPTS; i++) {
		if (c->freezer && !c->guardian.pid)
			ret = guardian_start(&c->guardian, c->freezer);
		if (ret < 0)
			return ret;
		c->frozen_ms = stage_now_ms();
		ret = tree_hold(&c->d, c->opt->pid, c->freezer);
		if (ret != -EAGAIN)
			return ret;
		let_go(c);
		usleep(HOLD_PAUSE_US);
	}
	log_error("pid %d: the tree of processes does not hold still; try again later", c->opt->pid);
	return -EBUSY;
}

static void undo_freeze(void *ctx)
{
	let_go(ctx);
}

static int stage_namespaces(void *ctx)
{
	struct dumping *c = ctx;
	int ret = ns_collect(&c->d);

	return ret < 0 ? ret : mnt_collect(&c->d);
}

static void undo_namespaces(void *ctx)
{
	struct dumping *c = ctx;

	files_dump_done(&c->d);
	mem_dump_done(&c->d);
	mnt_dump_done(&c->d);
	ns_dump_done(&c->d);
	cgroup_dump_done(&c->d);
}

static int stage_netlock(void *ctx)
{
	struct dumping *c = ctx;
	int ret = 0;

	if (c->d.tasks[0]->ns[NS_NET])
		ret = scripts_run(c->opt, "network-lock", image_dirfd(c->d.img), c->opt->pid);
	c->locked_by_script = true;
	return ret < 0 ? ret : net_lock_dump(&c->d, &c->lock);
}

static void undo_netlock(void *ctx)
{
	struct dumping *c = ctx;

	net_unlock(c->lock);
	c->lock = NULL;
	if (c->locked_by_script && c->d.n_tasks && c->d.tasks[0]->ns[NS_NET])
		(void)scripts_run(c->opt, "network-unlock", image_dirfd(c->d.img), c->opt->pid);
	c->locked_by_script = false;
}

static int stage_infect(void *ctx)
{
	struct dumping *c = ctx;
	int ret = seccomp_dump(&c->d);

	return ret < 0 ? ret : tree_infect(&c->d);
}

static void undo_infect(void *ctx)
{
	struct dumping *c = ctx;

	tree_cure(&c->d);
}

static int stage_objects(void *ctx)
{
	struct dumping *c = ctx;
	int ret = files_collect(&c->d);

	if (ret >= 0)
		ret = mem_collect(&c->d);
	return ret < 0 ? ret : files_dump(&c->d);
}

static void undo_objects(void *ctx)
{
	struct dumping *c = ctx;

	(void)sock_release(&c->d);
	sock_dump_done(&c->d);
}

static int stage_tasks(void *ctx)
{
	struct dumping *c = ctx;
	int ret = cgroup_dump(&c->d);

	return ret < 0 ? ret : tasks_dump(&c->d);
}

static int stage_world(void *ctx)
{
	struct dumping *c = ctx;
	int ret = ns_dump(&c->d);

	if (ret >= 0)
		ret = mnt_dump(&c->d);
	if (ret >= 0)
		ret = net_dump(&c->d);
	return ret < 0 ? ret : sock_dump_orphans(&c->d);
}

static int stage_memory(void *ctx)
{
	struct dumping *c = ctx;

	return mem_dump(&c->d, &c->mem);
}

static int stage_waiting(void *ctx)
{
	struct dumping *c = ctx;

	return sock_take_waiting(&c->d);
}

static void undo_waiting(void *ctx)
{
	struct dumping *c = ctx;

	sock_return_waiting(&c->d);
}

static int stage_inventory(void *ctx)
{
	struct dumping *c = ctx;
	const struct image_about about = {
		.container = c->opt->ct,
		.root_pid = (uint32_t)c->opt->pid,
		.n_tasks = (uint32_t)c->d.n_tasks,
		.network_lock = c->opt->netlock == NETLOCK_SKIP ? "skip" : "nftables",
		.options = (const char *const *)c->opt->words,
		.n_options = c->opt->n_words,
	};
	int ret = image_describe(c->d.img, &about);

	return ret < 0 ? ret : image_commit(c->d.img);
}

static int stage_post_dump(void *ctx)
{
	struct dumping *c = ctx;
	int ret = scripts_run(c->opt, "post-dump", image_dirfd(c->d.img), c->opt->pid);

	c->refused = ret < 0;
	c->n_tasks = c->d.n_tasks;
	for (size_t i = 0; i < c->d.n_tasks; i++)
		c->n_threads += c->d.tasks[i]->n_threads;
	return ret;
}

static void reap(struct dump *d)
{
	double end = stage_now_ms() + 10000;
	bool all = true;

	for (size_t i = 0; i < d->n_tasks; i++)
		if (d->tasks[i]->state != TASK_ZOMBIE)
			all &= reap_until(d->tasks[i]->pidfd, end);
	if (!all)
		log_warn("some of the dumped processes are still ending");
}

static int kill_tree(struct dumping *c)
{
	atomic_store(&c->d.fate->ending, true);
	for (size_t i = 0; i < c->d.n_tasks; i++)
		sys_pidfd_send_signal(c->d.tasks[i]->pidfd, SIGKILL);
	if (c->freezer)
		(void)freezer_thaw(c->freezer);
	guard_dismiss(&c->guardian);
	reap(&c->d);
	return 0;
}

static int stop_tree(struct dumping *c)
{
	for (size_t i = 0; i < c->d.n_tasks; i++)
		if (c->d.tasks[i]->state == TASK_RUNNING)
			sys_pidfd_send_signal(c->d.tasks[i]->pidfd, SIGSTOP);
	return 0;
}

static int stage_end(void *ctx)
{
	struct dumping *c = ctx;
	int ret = 0;

	if (!c->opt->leave_running && !c->opt->leave_stopped) {
		(void)sock_hold(&c->d);
		(void)net_hold(&c->d);
		files_keep_links(&c->d);
		ret = kill_tree(c);
		sock_drop_waiting(&c->d);
		(void)net_quiet(&c->d);
		sock_dump_done(&c->d);
		undo_namespaces(c);
		net_unlock(c->lock);
		c->lock = NULL;
		c->thawed_ms = stage_now_ms();
		return ret;
	}
	undo_waiting(c);
	undo_objects(c);
	undo_infect(c);
	if (c->opt->leave_stopped)
		ret = stop_tree(c);
	undo_netlock(c);
	undo_namespaces(c);
	let_go(c);
	return ret;
}

static const struct stage stages[] = {
	{ .name = "survey", .run = stage_survey, .undo = undo_survey },
	{ .name = "image", .run = stage_image, .undo = undo_image },
	{ .name = "pre-dump", .run = stage_pre_dump },
	{ .name = "freeze", .run = stage_freeze, .undo = undo_freeze },
	{ .name = "namespaces", .run = stage_namespaces, .undo = undo_namespaces },
	{ .name = "netlock", .run = stage_netlock, .undo = undo_netlock },
	{ .name = "infect", .run = stage_infect, .undo = undo_infect },
	{ .name = "objects", .run = stage_objects, .undo = undo_objects },
	{ .name = "tasks", .run = stage_tasks },
	{ .name = "world", .run = stage_world },
	{ .name = "memory", .run = stage_memory },
	{ .name = "waiting", .run = stage_waiting, .undo = undo_waiting },
	{ .name = "inventory", .run = stage_inventory },
	{ .name = "post-dump", .run = stage_post_dump, .commit = true },
	{ .name = "end", .run = stage_end },
};

/*
 * What cannot be dumped at this moment (-EAGAIN: unread netlink messages, a connection nobody has
 * accepted yet) may be gone in the next: let everybody go and begin again, a few times, without new
 * connections coming in.
 */
static int run_stages(struct dumping *c, double *ms)
{
	int ret = -EAGAIN;

	for (c->d.attempt = 0; ret == -EAGAIN && c->d.attempt < MOMENT_ATTEMPTS; c->d.attempt++) {
		if (c->d.attempt) {
			freezer_free(c->freezer);
			c->freezer = NULL;
			log_info("the container goes on for a moment, then once more");
			if (!c->gate)
				(void)net_gate(&c->d, c->opt->pid, &c->gate);
			usleep(MOMENT_PAUSE_US);
		}
		ret = stages_run(stages, ARRAY_SIZE(stages), c, ms);
	}
	net_unlock(c->gate);
	return ret == -EAGAIN ? -EBUSY : ret;
}

static int make_fate(struct dump *d)
{
	void *p = mmap(NULL, sizeof(*d->fate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return log_oom();
	d->fate = p;
	return 0;
}

int engine_dump(const struct options *opt)
{
	struct dumping c = { .opt = opt, .d = { .opt = opt }, .begin_ms = stage_now_ms() };
	double ms[ARRAY_SIZE(stages)] = { 0 };
	int ret;

	stages_block_signals();
	ret = engine_limits();
	if (ret >= 0)
		ret = make_fate(&c.d);
	if (ret < 0)
		return ret;
	ret = run_stages(&c, ms);
	c.end_ms = stage_now_ms();
	if (ret >= 0)
		(void)dump_report(&c, &(struct road_times){ stages, ms, ARRAY_SIZE(stages) });
	undo_survey(&c);
	freezer_free(c.freezer);
	image_free(c.d.img);
	munmap(c.d.fate, sizeof(*c.d.fate));
	if (ret == -ECANCELED && !c.refused)
		ret = -EPERM; /* another script than post-dump */
	return ret;
}
