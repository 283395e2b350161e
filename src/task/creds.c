/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Credentials of a thread: ids, supplementary groups, capability sets, securebits, no_new_privs.
 * Shown by /proc/PID/task/TID/status in the reader's user namespace, so ids are translated by the
 * task's own uid_map and gid_map; securebits by prctl in the thread. Keyrings and LSM labels are not kept.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "task/kinds.h"
#include "task/said.h"

#define OVERFLOW_ID 65534U

/* @id as the reader sees it, in the namespace whose map text is @map (inside outside count). */
static uint32_t id_inside(const char *map, uint64_t id)
{
	unsigned int in, out, count;
	int used;

	for (const char *p = map; sscanf(p, "%u %u %u%n", &in, &out, &count, &used) == 3; p += used)
		if (id >= out && id - out < count)
			return in + (uint32_t)(id - out);
	return OVERFLOW_ID;
}

static int read_ids(const char *status, const char *key, const char *map, uint32_t *const ret[4])
{
	const char *p = key_value(status, key);
	unsigned int v[4];

	if (!p || sscanf(p, "%u %u %u %u", &v[0], &v[1], &v[2], &v[3]) != 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++)
		*ret[i] = id_inside(map, v[i]);
	return 0;
}

static int read_groups(const char *status, const char *map, uint32_t **groups, size_t *n)
{
	const char *p = key_value(status, "Groups");
	unsigned int g;
	int used;

	if (!p)
		return -EINVAL;
	for (; *p && *p != '\n' && sscanf(p, "%u%n", &g, &used) == 1; p += used) {
		while (p[used] == ' ')
			used++;
		if (!GROW(*groups, *n))
			return -ENOMEM;
		(*groups)[(*n)++] = id_inside(map, g);
	}
	return 0;
}

/* Groups the task could not set itself: as seen in the user namespace around its own. */
static int read_outer_groups(const struct task *t, const char *status, CredsEntry *c)
{
	const struct ns *ns = t->ns[NS_USER];
	_cleanup_free_ char *setgroups = NULL, *map = NULL;
	int ret;

	if (!ns)
		return 0;
	ret = read_text_at(t->proc, "setgroups", &setgroups);
	if (ret < 0)
		return ret;
	c->outer = startswith(setgroups, "deny") != NULL;
	for (size_t i = 0; i < c->n_groups; i++)
		c->outer |= c->groups[i] == OVERFLOW_ID;
	c->has_outer = c->outer;
	if (!c->outer)
		return 0;
	if (ns->parent)
		ret = read_text_at(ns->parent->task->proc, "gid_map", &map);
	return ret < 0 ? ret
		       : read_groups(status, map ? map : "0 0 4294967295", &c->outer_groups,
				     &c->n_outer_groups);
}

static int read_caps(const char *status, CredsEntry *c)
{
	uint64_t nnp = 0;
	int ret = key_u64(status, "CapInh", 16, &c->cap_inh);

	if (ret >= 0)
		ret = key_u64(status, "CapPrm", 16, &c->cap_prm);
	if (ret >= 0)
		ret = key_u64(status, "CapEff", 16, &c->cap_eff);
	if (ret >= 0)
		ret = key_u64(status, "CapBnd", 16, &c->cap_bnd);
	if (ret >= 0)
		ret = key_u64(status, "CapAmb", 16, &c->cap_amb);
	if (ret >= 0)
		ret = key_u64(status, "NoNewPrivs", 10, &nnp);
	c->no_new_privs = nnp;
	return ret;
}

int creds_dump(struct task *t, struct task_thread *th, const char *status)
{
	_cleanup_free_ char *uid_map = NULL, *gid_map = NULL;
	CredsEntry *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	creds_entry__init(c);
	th->msg->creds = c;
	ret = read_text_at(t->proc, "uid_map", &uid_map);
	if (ret >= 0)
		ret = read_text_at(t->proc, "gid_map", &gid_map);
	if (ret >= 0)
		ret = read_ids(status, "Uid", uid_map,
			       (uint32_t *const[]){ &c->uid, &c->euid, &c->suid, &c->fsuid });
	if (ret >= 0)
		ret = read_ids(status, "Gid", gid_map,
			       (uint32_t *const[]){ &c->gid, &c->egid, &c->sgid, &c->fsgid });
	if (ret >= 0)
		ret = read_groups(status, gid_map, &c->groups, &c->n_groups);
	if (ret >= 0)
		ret = read_outer_groups(t, status, c);
	if (ret >= 0)
		ret = read_caps(status, c);
	c->securebits = (uint32_t)MAX(th->said->securebits, 0);
	return ret;
}

static void drop_bounding(struct remote *h, uint64_t keep, int last_cap)
{
	for (int cap = 0; cap <= last_cap; cap++)
		if (!(keep & 1ULL << cap))
			remote_try(h, SYS_prctl, PR_CAPBSET_DROP, cap);
}

static void set_caps(struct remote *h, const CredsEntry *c, uint64_t more)
{
	struct __user_cap_header_struct *hdr = remote_alloc(h, sizeof(*hdr));
	struct __user_cap_data_struct *data = remote_alloc(h, 2 * sizeof(*data));

	hdr->version = _LINUX_CAPABILITY_VERSION_3;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)((c->cap_eff | more) >> 32 * i);
		data[i].permitted = (uint32_t)((c->cap_prm | more) >> 32 * i);
		data[i].inheritable = (uint32_t)(c->cap_inh >> 32 * i);
	}
	remote_call(h, SYS_capset, remote_addr(h, hdr), remote_addr(h, data));
	for (int cap = 0; cap < 64; cap++)
		if (c->cap_amb & 1ULL << cap)
			remote_call(h, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
}

/* Filters are installed last of all: without no_new_privs that takes CAP_SYS_ADMIN, kept until then. */
static uint64_t admin_for_seccomp(const ThreadEntry *m)
{
	const uint64_t admin = 1ULL << CAP_SYS_ADMIN;

	if (!m->n_seccomp_filters || m->creds->no_new_privs || m->creds->cap_eff & admin)
		return 0;
	return admin;
}

int creds_after_seccomp(struct rthread *th)
{
	if (!admin_for_seccomp(th->msg))
		return 0;
	set_caps(th->hand, th->msg->creds, 0);
	return remote_run(th->hand);
}

/*
 * Capabilities must outlive the change of ids: KEEP_CAPS and NO_SETUID_FIXUP until the sets are
 * written. The bounding set first, while CAP_SETPCAP is there; securebits last.
 */
int creds_restore(struct rthread *th)
{
	const CredsEntry *c = th->msg->creds;
	struct remote *h = th->hand;
	const uint32_t *groups = remote_copy(h, c->groups, c->n_groups * sizeof(*groups));

	remote_call(h, SYS_prctl, PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP);
	drop_bounding(h, c->cap_bnd, 63);
	if (!c->outer)
		remote_call(h, SYS_setgroups, c->n_groups, remote_addr(h, groups));
	remote_call(h, SYS_setresgid, c->gid, c->egid, c->sgid);
	remote_call(h, SYS_setfsgid, c->fsgid);
	remote_call(h, SYS_setresuid, c->uid, c->euid, c->suid);
	remote_call(h, SYS_setfsuid, c->fsuid);
	/* Ids may have dropped the effective set; securebits need CAP_SETPCAP, which permitted has. */
	remote_call(h, SYS_prctl, PR_SET_SECUREBITS, c->securebits);
	set_caps(h, c, admin_for_seccomp(th->msg));
	if (c->no_new_privs)
		remote_call(h, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return remote_run(h);
}
