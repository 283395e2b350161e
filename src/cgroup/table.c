/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup/table.h"

#include <stdio.h>

#include "base/log.h"
#include "base/procfs.h"
#include "ns/visit.h"

static bool any_controller(const char *list, const char *ctrl)
{
	_cleanup_free_ char *copy = strdup(list);
	char *save = NULL;

	for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w; w = strtok_r(NULL, ",", &save))
		if (cg_has_controller(ctrl, w))
			return true;
	return false;
}

/* Controllers no v1 hierarchy of this machine has: on pure v2 they mean the one there is. */
static bool only_v2(const char *list)
{
	struct cg_lines own _cleanup_cg_lines_ = { 0 };

	if (cg_read(0, &own) < 0)
		return false;
	for (size_t i = 0; i < own.n; i++)
		if (*own.v[i].ctrl && any_controller(list, own.v[i].ctrl))
			return false;
	return true;
}

static char *absolute(const char *path)
{
	char *s;

	while (*path == '/')
		path++;
	s = xasprintf("/%s", path);
	for (size_t n = s ? strlen(s) : 0; n > 1 && s[n - 1] == '/';)
		s[--n] = 0;
	return s;
}

int cg_option_root(const struct options *opt, const char *ctrl, char **ret)
{
	const char *path = NULL, *fallback = NULL;

	for (size_t i = 0; i < opt->n_cgroup_roots; i++) {
		const struct cgroup_root *o = &opt->cgroup_roots[i];

		if (!o->ctrl)
			fallback = o->path;
		else if (*ctrl ? any_controller(o->ctrl, ctrl) : only_v2(o->ctrl))
			path = o->path;
	}
	if (!path)
		path = fallback;
	*ret = path ? absolute(path) : NULL;
	return path && !*ret ? -ENOMEM : 0;
}

/* The root of a cgroup namespace: a member's path seen by us less its path seen from inside. */
struct inside {
	pid_t pid;
	struct cg_lines lines;
};

static int read_inside(void *arg)
{
	struct inside *in = arg;

	return cg_read(in->pid, &in->lines);
}

static char *strip_inside(const char *path, const char *inside)
{
	size_t len = strlen(path), tail;

	if (startswith(inside, "/.."))
		return NULL;
	if (streq(inside, "/"))
		return strdup(path);
	tail = strlen(inside);
	if (tail > len || !streq(path + len - tail, inside))
		return NULL;
	return len == tail ? strdup("/") : strndup(path, len - tail);
}

static void view_done(struct cg_view *v)
{
	cg_lines_done(&v->out);
	cg_lines_done(&v->in);
	*v = (struct cg_view){ 0 };
}

static int view_of(struct cg_view *v, const struct ns *ns, pid_t pid)
{
	struct inside in = { .pid = pid };
	int err;

	if (v->ns == ns && v->pid == pid)
		return 0;
	view_done(v);
	err = cg_read(pid, &v->out);
	if (!err)
		err = ns_visit(ns->fd, read_inside, &in);
	if (err < 0)
		return err;
	v->in = in.lines;
	v->ns = ns;
	v->pid = pid;
	return 0;
}

/* The root of @ns in the hierarchy @ctrl; *@ret is NULL when it cannot be told from any task. */
static int ns_root(const struct dump *d, const struct ns *ns, const char *ctrl, char **ret)
{
	struct cg_view *v = &d->cgroups->view;

	*ret = NULL;
	for (size_t i = 0; i < d->n_tasks && !*ret; i++) {
		const struct cg_line *out, *in;
		int err;

		if (d->tasks[i]->ns[NS_CGROUP] != ns || d->tasks[i]->state == TASK_ZOMBIE)
			continue;
		err = view_of(v, ns, d->tasks[i]->pid);
		if (err == -ESRCH || err == -ENOENT)
			continue; /* it has ended */
		if (err < 0)
			return err;
		out = cg_find(&v->out, ctrl);
		in = cg_find(&v->in, ctrl);
		*ret = out && in ? strip_inside(out->path, in->path) : NULL;
	}
	return 0;
}

static int common_with(pid_t tid, const char *ctrl, char **common)
{
	struct cg_lines lines _cleanup_cg_lines_ = { 0 };
	const struct cg_line *line;
	int err = cg_read(tid, &lines);

	if (err < 0 && err != -ENOENT && err != -ESRCH)
		return err;
	line = err < 0 ? NULL : cg_find(&lines, ctrl);
	if (!line)
		return 0; /* it ended while the survey went on */
	if (*common)
		cg_path_common(*common, line->path);
	else if (!(*common = strdup(line->path)))
		return -ENOMEM;
	return 0;
}

/* The deepest cgroup that holds all threads. */
static int common_root(const struct dump *d, const char *ctrl, char **ret)
{
	_cleanup_free_ char *common = NULL;
	int err = 0;

	for (size_t i = 0; i < d->n_tasks && !err; i++) {
		const struct task *t = d->tasks[i];

		if (t->state == TASK_ZOMBIE)
			continue;
		err = common_with(t->pid, ctrl, &common);
		for (size_t k = 1; k < t->n_threads && !err; k++)
			err = common_with(t->threads[k].tid, ctrl, &common);
	}
	if (err < 0)
		return err;
	*ret = common ? TAKE_PTR(common) : strdup("/");
	return *ret ? 0 : -ENOMEM;
}

static int find_root(const struct dump *d, struct cg_hier *h)
{
	const struct ns *ns = d->tasks[0]->ns[NS_CGROUP];
	_cleanup_free_ char *common = NULL, *root = NULL;
	int err = common_root(d, h->ctrl, &common);

	if (!err)
		err = cg_option_root(d->opt, h->ctrl, &root);
	if (!err && (!root || !cg_path_below(common, root)) && ns) {
		free(root);
		err = ns_root(d, ns, h->ctrl, &root);
	}
	if (err < 0)
		return err;
	if (root && root[1] && cg_path_below(common, root)) {
		h->own_subtree = true;
		h->root = TAKE_PTR(root);
		return 0;
	}
	h->root = TAKE_PTR(common);
	return 0;
}

static int hier_init(const struct dump *d, const struct cg_line *own, struct cg_hier *h)
{
	int err;

	*h = (struct cg_hier){ .ctrl = strdup(own->ctrl), .fd = -1 };
	if (!h->ctrl)
		return -ENOMEM;
	err = find_root(d, h);
	if (err < 0)
		return err;
	h->outside = !h->root[1] || (!h->own_subtree && streq(h->root, own->path));
	if (h->outside)
		return 0;
	h->fd = cg_open_root(h->ctrl);
	return h->fd < 0 ? h->fd : 0;
}

int cg_table(struct dump *d, struct cgroup_table **ret)
{
	struct cg_lines own _cleanup_cg_lines_ = { 0 };
	struct cgroup_table *t = d->cgroups;
	int err;

	if (t) {
		*ret = t;
		return 0;
	}
	err = cg_read(0, &own);
	if (err < 0)
		return log_errno(err, "/proc/self/cgroup");
	t = d->cgroups = calloc(1, sizeof(*t));
	if (t)
		t->hiers = calloc(own.n + 1, sizeof(*t->hiers));
	if (!t || !t->hiers)
		return log_oom();
	for (size_t i = 0; i < own.n; i++) {
		err = hier_init(d, &own.v[i], &t->hiers[t->n_hiers++]);
		if (err < 0)
			return log_errno(err, "cgroup hierarchy %s of pid %d",
					 *own.v[i].ctrl ? own.v[i].ctrl : "v2", d->tasks[0]->pid);
	}
	*ret = t;
	return 0;
}

static void set_free(struct cg_set *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s->paths[i]);
	free(s->paths);
}

void cgroup_dump_done(struct dump *d)
{
	struct cgroup_table *t = d->cgroups;

	if (!t)
		return;
	for (size_t i = 0; i < t->n_sets; i++)
		set_free(&t->sets[i], t->n_hiers);
	for (size_t i = 0; i < t->n_hiers; i++) {
		close_fd(&t->hiers[i].fd);
		free(t->hiers[i].ctrl);
		free(t->hiers[i].root);
	}
	view_done(&t->view);
	free(t->sets);
	free(t->hiers);
	free(t);
	d->cgroups = NULL;
}

static bool same_set(const struct cg_set *a, const struct cg_set *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!streq(a->paths[i], b->paths[i]))
			return false;
	return true;
}

/* The id of the placement @s, which is consumed. */
static int add_set(struct cgroup_table *t, struct cg_set *s, uint32_t *ret_id)
{
	for (size_t i = 0; i < t->n_sets; i++)
		if (same_set(&t->sets[i], s, t->n_hiers)) {
			set_free(s, t->n_hiers);
			*ret_id = i + 1;
			return 0;
		}
	if (!GROW(t->sets, t->n_sets)) {
		set_free(s, t->n_hiers);
		return -ENOMEM;
	}
	t->sets[t->n_sets++] = *s;
	*ret_id = t->n_sets;
	return 0;
}

/* @path below the root of @h; NULL with errno when it is not there or memory is out. */
static char *relative(const struct cg_hier *h, const char *path)
{
	if (h->outside)
		return strdup("");
	if (!path || !cg_path_below(path, h->root)) {
		errno = EXDEV;
		return NULL;
	}
	return strdup(path + strlen(h->root));
}

int cgroup_id_of(struct dump *d, pid_t tid, uint32_t *ret_id)
{
	struct cg_lines lines _cleanup_cg_lines_ = { 0 };
	struct cgroup_table *t;
	struct cg_set s;
	int err = cg_table(d, &t);

	if (err < 0)
		return err;
	err = cg_read(tid, &lines);
	if (err < 0)
		return log_errno(err, "pid %d: /proc/PID/cgroup", tid);
	s.paths = calloc(t->n_hiers + 1, sizeof(*s.paths));
	if (!s.paths)
		return log_oom();
	for (size_t i = 0; i < t->n_hiers; i++) {
		const struct cg_line *line = cg_find(&lines, t->hiers[i].ctrl);

		s.paths[i] = relative(&t->hiers[i], line ? line->path : NULL);
		if (!s.paths[i]) {
			err = log_errno(errno, "pid %d: its cgroup %s is outside the container's %s", tid,
					line ? line->path : "?", t->hiers[i].root);
			set_free(&s, i);
			return err;
		}
	}
	return add_set(t, &s, ret_id);
}

int cgroup_ns_root_id(struct dump *d, const struct ns *ns, uint32_t *ret_id)
{
	struct cgroup_table *t;
	struct cg_set s;
	int err = cg_table(d, &t);

	if (err < 0)
		return err;
	s.paths = calloc(t->n_hiers + 1, sizeof(*s.paths));
	if (!s.paths)
		return log_oom();
	for (size_t i = 0; i < t->n_hiers; i++) {
		_cleanup_free_ char *root = NULL;

		err = ns_root(d, ns, t->hiers[i].ctrl, &root);
		s.paths[i] = err < 0 ? NULL : relative(&t->hiers[i], root);
		if (!s.paths[i]) {
			set_free(&s, i);
			return err < 0 ? err : -errno;
		}
	}
	return add_set(t, &s, ret_id);
}
