/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User namespaces, user_namespaces(7): maps of user, group and project ids, and whether setgroups(2)
 * is allowed. A map reads in ids of the reader's namespace but is written in ids of the parent's by
 * someone who stands there: we, or for a nested one the hand of a task in the parent.
 *
 * One that owns other namespaces of its first task was made before them, in the same clone. One that
 * owns none of them was made last (systemd's PrivateUsers=) and is entered by unshare when all else
 * of the task is done. Not restored: ownership mixed of both within one task (refused by survey).
 */
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "ns/kinds.h"

#define MAX_EXTENTS 340

static int parse_extent(char *line, IdMapEntry **ret)
{
	uint32_t v[3];
	char *save = NULL, *word = strtok_r(line, " \t", &save);

	for (int i = 0; i < 3; i++, word = strtok_r(NULL, " \t", &save))
		if (!word || parse_u32(word, 10, &v[i]) < 0)
			return -EINVAL;
	if (word || !v[2] || v[0] + v[2] - 1 < v[0] || v[1] + v[2] - 1 < v[1])
		return -EINVAL;
	*ret = malloc(sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	id_map_entry__init(*ret);
	(*ret)->first = v[0];
	(*ret)->lower = v[1];
	(*ret)->count = v[2];
	return 0;
}

int idmap_parse(char *text, IdMapEntry ***ret, size_t *ret_n)
{
	char *line;

	while ((line = next_line(&text))) {
		IdMapEntry *e;
		int err;

		if (!*line)
			continue;
		err = *ret_n < MAX_EXTENTS ? parse_extent(line, &e) : -E2BIG;
		if (err < 0)
			return err;
		if (pb_append(ret, ret_n, e) < 0) {
			free(e);
			return -ENOMEM;
		}
	}
	return 0;
}

int idmap_to_parent(IdMapEntry **map, size_t n, IdMapEntry *const *parent, size_t n_parent)
{
	for (size_t i = 0; i < n; i++) {
		size_t k;

		for (k = 0; k < n_parent; k++) {
			uint32_t off = map[i]->lower - parent[k]->lower;

			if (map[i]->lower < parent[k]->lower || off >= parent[k]->count ||
			    map[i]->count > parent[k]->count - off)
				continue;
			map[i]->lower = parent[k]->first + off;
			break;
		}
		if (k == n_parent)
			return -ERANGE;
	}
	return 0;
}

int idmap_text(IdMapEntry *const *map, size_t n, char **ret)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };

	if (n > MAX_EXTENTS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const IdMapEntry *e = map[i];

		if (!e->count || e->first + e->count - 1 < e->first || e->lower + e->count - 1 < e->lower)
			return -EINVAL;
		if (strbuf_printf(&s, "%u %u %u\n", e->first, e->lower, e->count) < 0)
			return -ENOMEM;
	}
	*ret = strbuf_take(&s);
	return *ret ? 0 : -ENOMEM;
}

static int read_map(const struct task *t, const char *name, IdMapEntry ***ret, size_t *ret_n)
{
	_cleanup_free_ char *text = NULL;
	int err = read_text_at(t->proc, name, &text);

	if (!err)
		err = idmap_parse(text, ret, ret_n);
	return err < 0 ? log_errno(err, "pid %d: %s", t->pid, name) : 0;
}

static int read_maps(const struct task *t, UserNsEntry *u)
{
	_cleanup_free_ char *setgroups = NULL;
	int err = read_map(t, "uid_map", &u->uids, &u->n_uids);

	if (!err)
		err = read_map(t, "gid_map", &u->gids, &u->n_gids);
	if (!err)
		err = read_map(t, "projid_map", &u->projids, &u->n_projids);
	if (err < 0)
		return err;
	err = read_text_at(t->proc, "setgroups", &setgroups);
	if (err < 0)
		return log_errno(err, "pid %d: setgroups", t->pid);
	u->setgroups = !startswith(setgroups, "deny");
	return 0;
}

/* Both as we see them; @u comes out in the ids of its parent @p. */
static int make_relative(UserNsEntry *u, const UserNsEntry *p)
{
	int err = idmap_to_parent(u->uids, u->n_uids, p->uids, p->n_uids);

	if (!err)
		err = idmap_to_parent(u->gids, u->n_gids, p->gids, p->n_gids);
	if (!err)
		err = idmap_to_parent(u->projids, u->n_projids, p->projids, p->n_projids);
	return err;
}

static int user_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	UserNsEntry parent = USER_NS_ENTRY__INIT;
	int err;

	msg->user = malloc(sizeof(*msg->user));
	if (!msg->user)
		return log_oom();
	user_ns_entry__init(msg->user);
	err = read_maps(ns->task, msg->user);
	if (err < 0 || !ns->parent)
		return err;
	err = read_maps(ns->parent->task, &parent);
	if (!err) {
		err = make_relative(msg->user, &parent);
		if (err < 0)
			log_errno(err, "pid %d: id maps do not fit into the parent user namespace's",
				  ns->task->pid);
	}
	for (size_t i = 0; i < parent.n_uids; i++)
		free(parent.uids[i]);
	for (size_t i = 0; i < parent.n_gids; i++)
		free(parent.gids[i]);
	for (size_t i = 0; i < parent.n_projids; i++)
		free(parent.projids[i]);
	free(parent.uids);
	free(parent.gids);
	free(parent.projids);
	return err;
}

static int check_map(IdMapEntry *const *map, size_t n)
{
	_cleanup_free_ char *text = NULL;

	return idmap_text(map, n, &text);
}

static int user_check(const struct restore *r, const NsEntry *msg)
{
	const UserNsEntry *u = msg->user;

	if (!u || check_map(u->uids, u->n_uids) < 0 || check_map(u->gids, u->n_gids) < 0 ||
	    check_map(u->projids, u->n_projids) < 0)
		return -EBADMSG;
	return 0;
}

/* Where maps are written: by us at /proc/PID, or by the hand @by at its descriptor of that directory. */
struct map_writer {
	int proc;
	struct remote *by; /* NULL: we */
	int by_proc;
};

static int write_file(const struct map_writer *w, const char *name, const char *text)
{
	struct remote_call *c;
	int err;

	if (!w->by)
		return write_text_at(w->proc, name, text);
	c = remote_call(w->by, SYS_openat, w->by_proc, remote_str(w->by, name), O_WRONLY | O_CLOEXEC, 0);
	remote_ref(w->by, remote_call(w->by, SYS_write, 0, remote_str(w->by, text), strlen(text)), 0, c);
	err = remote_run(w->by);
	if (c->ret >= 0)
		(void)remote_syscall(w->by, SYS_close, c->ret);
	return err;
}

static int write_map(const struct map_writer *w, const char *name, IdMapEntry *const *map, size_t n)
{
	_cleanup_free_ char *text = NULL;
	int err;

	if (!n)
		return 0;
	err = idmap_text(map, n, &text);
	if (!err)
		err = write_file(w, name, text);
	return err < 0 ? log_errno(err, "%s \"%.60s\"", name, text ? text : "") : 0;
}

static int write_maps(const struct map_writer *w, const UserNsEntry *u)
{
	int err = write_map(w, "uid_map", u->uids, u->n_uids);

	if (!err && !u->setgroups)
		err = write_file(w, "setgroups", "deny");
	if (!err)
		err = write_map(w, "gid_map", u->gids, u->n_gids);
	if (!err)
		err = write_map(w, "projid_map", u->projids, u->n_projids);
	return err;
}

/* Be root of the new namespace, if it has one: files made by this hand belong to somebody then. */
static int become_ns_root(struct rtask *t, const UserNsEntry *u)
{
	if (u->n_gids && u->setgroups)
		remote_try(t->hand, SYS_setgroups, 0, 0);
	remote_try(t->hand, SYS_setresgid, 0, 0, 0);
	remote_try(t->hand, SYS_setresuid, 0, 0, 0);
	remote_try(t->hand, SYS_prctl, PR_SET_DUMPABLE, 1);
	return remote_run(t->hand);
}

static const CredsEntry *creds_of(const struct rtask *t)
{
	return t->msg->n_threads ? t->msg->threads[0]->creds : NULL;
}

static int swap_own_groups(struct restore *r, const CredsEntry *c)
{
	int n = getgroups(0, NULL);

	r->ns->own_groups = calloc((size_t)n + 1, sizeof(gid_t));
	if (n < 0 || !r->ns->own_groups)
		return -ENOMEM;
	n = getgroups(n, r->ns->own_groups);
	if (n < 0)
		return -errno;
	r->ns->n_own_groups = (size_t)n;
	return setgroups(c->n_outer_groups, c->outer_groups) < 0 ? -errno : 0;
}

int user_own_groups(struct restore *r)
{
	_cleanup_free_ uint32_t *own = TAKE_PTR(r->ns->own_groups);

	return own && setgroups(r->ns->n_own_groups, own) < 0 ? log_errno(errno, "our own groups") : 0;
}

int user_outer_groups(struct restore *r, const struct rtask *t, struct remote *by)
{
	const CredsEntry *c = creds_of(t);
	int err;

	if (!c || !c->outer)
		return 0;
	if (c->n_outer_groups > 16384)
		return log_errno(-EBADMSG, "pid %d: %zu groups", t->msg->pid, c->n_outer_groups);
	if (by)
		err = (int)remote_syscall(
			by, SYS_setgroups, c->n_outer_groups,
			remote_addr(by, remote_copy(by, c->outer_groups, c->n_outer_groups * 4)));
	else
		err = swap_own_groups(r, c);
	return err < 0 ? log_errno(err, "pid %d: groups from outside its user namespace", t->msg->pid) : 0;
}

int user_restore_maps(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	struct map_writer w = { .proc = -1, .by_proc = -1 };
	_cleanup_close_ int proc = proc_open(t->pid);
	int err;

	if (proc < 0)
		return log_errno(proc, "pid %d: /proc", t->pid);
	w.proc = proc;
	if (msg->parent_id) {
		struct rtask *p = restore_task_in(r, NS_USER, msg->parent_id);

		if (!p)
			return log_errno(-ENOENT, "user namespace %u: no task in its parent", msg->id);
		w.by = p->hand;
		err = remote_give_fds(w.by, &proc, 1, &w.by_proc);
		if (err < 0)
			return log_errno(err, "pid %d: /proc of a child", p->pid);
	}
	err = write_maps(&w, msg->user);
	if (w.by)
		(void)remote_syscall(w.by, SYS_close, w.by_proc);
	if (err < 0)
		return log_errno(err, "user namespace %u: id maps", msg->id);
	err = become_ns_root(t, msg->user);
	return err < 0 ? log_errno(err, "pid %d: root of user namespace %u", t->pid, msg->id) : 0;
}

const struct ns_ops ns_user_ops = { .dump = user_dump, .check = user_check };
