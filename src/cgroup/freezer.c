/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The freezer: v1 by freezer.state (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst),
 * v2 by cgroup.freeze and the "frozen" line of cgroup.events (cgroup-v2.rst).
 *
 * v1 answers FREEZING until the last task is in the refrigerator and looks again on each read; a
 * ptrace stop counts as frozen in both. Tasks frozen by v1 take no SIGKILL until thawed.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "cgroup/cg.h"
#include "cgroup/cgroup.h"

struct freezer {
	bool v2;
	bool was_frozen;
	int dir;
	int state; /* freezer.state or cgroup.freeze, open for reading and writing */
	char *name; /* for messages */
};

static const char *frozen_text(const struct freezer *f)
{
	return f->v2 ? "1" : "FROZEN";
}

static const char *thawed_text(const struct freezer *f)
{
	return f->v2 ? "0" : "THAWED";
}

static int read_state(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	if (n < 0)
		return -errno;
	buf[n] = 0;
	return 0;
}

static int write_state(const struct freezer *f, const char *text)
{
	return pwrite(f->state, text, strlen(text), 0) < 0 ? -errno : 0;
}

/* The user froze it: asked for, whether reached or not. */
static int read_was_frozen(struct freezer *f)
{
	char buf[32];
	int err = read_state(f->state, buf, sizeof(buf));

	if (err < 0)
		return err;
	f->was_frozen = buf[0] == '1' || buf[0] == 'F';
	return 0;
}

/* Make a freezer of the directory @dir, which is consumed. */
static int freezer_new(int dir, const char *name, struct freezer **ret)
{
	struct freezer *f = calloc(1, sizeof(*f));
	int err;

	if (!f || !(f->name = strdup(name))) {
		close(dir);
		free(f);
		return -ENOMEM;
	}
	f->dir = dir;
	f->state = openat(dir, "freezer.state", O_RDWR | O_CLOEXEC);
	if (f->state < 0 && errno == ENOENT) {
		f->v2 = true;
		f->state = openat(dir, "cgroup.freeze", O_RDWR | O_CLOEXEC);
	}
	err = f->state < 0 ? -errno : read_was_frozen(f);
	if (err < 0) {
		freezer_free(f);
		return err;
	}
	f->state = fd_high(f->state);
	f->dir = fd_high(f->dir);
	*ret = f;
	return 0;
}

static int find_stranger(int dir, pid_t root, pid_t *ret)
{
	_cleanup_free_ pid_t *list = NULL;
	size_t n = 0;
	int err = cg_read_pids_below(dir, "cgroup.procs", &list, &n);

	if (err < 0)
		return err;
	*ret = 0;
	for (size_t i = 0; i < n && !*ret; i++)
		if (!list[i] || cg_is_stranger(list[i], root))
			*ret = list[i] ? list[i] : -1;
	return 0;
}

/* Cut @path down to the cgroup of @ctrl that holds @pid and all its descendants. */
static int common_of_tree(pid_t pid, const char *ctrl, char **path)
{
	struct cg_lines lines _cleanup_cg_lines_ = { 0 };
	_cleanup_free_ pid_t *children = NULL;
	const struct cg_line *line;
	size_t n = 0;
	int err = cg_read(pid, &lines);

	if (err < 0)
		return *path ? 0 : err; /* a child that has gone */
	line = cg_find(&lines, ctrl);
	if (!line)
		return -ENOENT;
	/* a zombie's cgroup may be gone and says nothing */
	if (!*path && !(*path = strdup(line->path)))
		return -ENOMEM;
	if (!strstr(line->path, " (deleted)"))
		cg_path_common(*path, line->path);
	if (proc_children(pid, &children, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && err >= 0; i++)
		err = common_of_tree(children[i], ctrl, path);
	return err;
}

static int try_hierarchy(pid_t root_pid, const char *ctrl, struct freezer **ret)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int root = -1;
	pid_t stranger;
	int dir, err;

	err = common_of_tree(root_pid, ctrl, &path);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (streq(path, "/"))
		return 0;
	root = cg_open_root(ctrl);
	if (root < 0)
		return 0;
	dir = cg_open_dir(root, path);
	if (dir < 0)
		return 0;
	err = find_stranger(dir, root_pid, &stranger);
	if (err < 0 || stranger) {
		log_debug("cgroup %s of pid %d also holds pid %d: not used as freezer", path, root_pid,
			  err < 0 ? err : stranger);
		close(dir);
		return err == -ENOMEM ? err : 0;
	}
	err = freezer_new(dir, path, ret);
	return err == -ENOENT ? 0 : err;
}

int freezer_open(pid_t root_pid, const char *path, struct freezer **ret)
{
	static const char *const controllers[] = { "freezer", "" };
	struct freezer *f = NULL;
	int err = 0;

	if (path) {
		int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		err = dir < 0 ? -errno : freezer_new(dir, path, ret);
		return err < 0 ? log_errno(err, "--freeze-cgroup %s: no freezer.state or cgroup.freeze there",
					   path)
			       : 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(controllers) && !f && err >= 0; i++)
		err = try_hierarchy(root_pid, controllers[i], &f);
	if (err < 0)
		return log_errno(err, "pid %d: looking for a freezer", root_pid);
	*ret = f;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int is_frozen(const struct freezer *f, int events)
{
	char buf[256];
	int err = read_state(f->v2 ? events : f->state, buf, sizeof(buf));

	if (err < 0)
		return err;
	return f->v2 ? strstr(buf, "frozen 1") != NULL : startswith(buf, "FROZEN") != NULL;
}

static int wait_frozen(const struct freezer *f, int timeout_ms)
{
	_cleanup_close_ int events = -1;
	int64_t end = now_ms() + timeout_ms;
	long pause_ns = 50000;
	int frozen;

	if (f->v2) {
		events = openat(f->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
		if (events < 0)
			return -errno;
	}
	while (!(frozen = is_frozen(f, events))) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		struct timespec ts = { .tv_nsec = pause_ns };

		if (now_ms() >= end)
			return -ETIMEDOUT;
		ppoll(&p, 1, &ts, NULL);
		if (pause_ns < 5000000)
			pause_ns *= 2;
	}
	return frozen < 0 ? frozen : 0;
}

int freezer_freeze(struct freezer *f, int timeout_ms)
{
	int err = write_state(f, frozen_text(f));

	if (!err)
		err = wait_frozen(f, timeout_ms);
	if (err == -ETIMEDOUT && !f->was_frozen)
		write_state(f, thawed_text(f));
	if (err == -ETIMEDOUT)
		return log_errno(err,
				 "cgroup %s: not frozen in %d ms (a task sleeps uninterruptibly?); "
				 "try again or give a longer --timeout",
				 f->name, timeout_ms);
	return err < 0 ? log_errno(err, "cgroup %s: freeze", f->name) : 0;
}

int freezer_thaw(struct freezer *f)
{
	int err = write_state(f, thawed_text(f));

	return err < 0 ? log_errno(err, "cgroup %s: thaw", f->name) : 0;
}

bool freezer_was_frozen(const struct freezer *f)
{
	return f->was_frozen;
}

int freezer_refreeze(struct freezer *f)
{
	int err = write_state(f, frozen_text(f));

	return err < 0 ? log_errno(err, "cgroup %s: freeze again", f->name) : 0;
}

int freezer_thaw_fd(const struct freezer *f, const char **ret_text)
{
	*ret_text = thawed_text(f);
	return f->state;
}

void freezer_free(struct freezer *f)
{
	if (!f)
		return;
	close_fd(&f->state);
	close_fd(&f->dir);
	free(f->name);
	free(f);
}

/* SIGKILL to all that are there now; the number of them. */
static int kill_round(const struct freezer *f)
{
	_cleanup_free_ pid_t *list = NULL;
	size_t n = 0, sent = 0;
	int err = cg_read_pids_below(f->dir, "cgroup.procs", &list, &n);

	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if (list[i] > 1 && list[i] != getpid() && kill(list[i], SIGKILL) == 0)
			sent++;
	return (int)sent;
}

/* v1 has no atomic kill: while all are frozen nobody can fork away, then the thaw lets them die. */
static int kill_by_pids(struct freezer *f)
{
	int n = 0, err = 0;

	for (int round = 0; round < 50; round++) {
		if (!f->v2)
			write_state(f, frozen_text(f));
		n = kill_round(f);
		err = write_state(f, thawed_text(f));
		if (n <= 0)
			break;
		usleep(2000);
	}
	return n < 0 ? n : err;
}

int freezer_kill(struct freezer *f)
{
	int err = -ENOENT;

	if (f->v2)
		err = write_text_at(f->dir, "cgroup.kill", "1");
	if (err == -ENOENT || err == -EOPNOTSUPP)
		err = kill_by_pids(f);
	return err < 0 ? log_errno(err, "cgroup %s: kill", f->name) : 0;
}
