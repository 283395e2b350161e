/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties by controller, in the order they are written. See Documentation/admin-guide/cgroup-v1/ and
 * cgroup-v2.rst. Not restored: counters and statistics, which the kernel does not let anybody set.
 */
#include "cgroup/props.h"

#include "base/io.h"
#include "base/parse.h"

#define V1 .v2 = false
#define V2 .v2 = true

const struct prop cg_props[] = {
	{ "cgroup.clone_children", V1, PROP_MAKE },
	{ "notify_on_release", V1, PROP_MAKE },
	{ "cpuset.cpus", V1, PROP_MAKE },
	{ "cpuset.mems", V1, PROP_MAKE },
	{ "devices.list", V1, PROP_MAKE, PROP_DEVICES },
	{ "net_cls.classid", V1, PROP_MAKE },
	{ "cpuset.cpu_exclusive", V1, PROP_LIMIT },
	{ "cpuset.mem_exclusive", V1, PROP_LIMIT },
	{ "cpuset.mem_hardwall", V1, PROP_LIMIT },
	{ "cpuset.memory_migrate", V1, PROP_LIMIT },
	{ "cpuset.memory_spread_page", V1, PROP_LIMIT },
	{ "cpuset.memory_spread_slab", V1, PROP_LIMIT },
	{ "cpuset.sched_load_balance", V1, PROP_LIMIT },
	{ "cpuset.sched_relax_domain_level", V1, PROP_LIMIT },
	{ "cpu.idle", V1, PROP_LIMIT },
	{ "cpu.shares", V1, PROP_LIMIT },
	{ "cpu.cfs_period_us", V1, PROP_LIMIT },
	{ "cpu.cfs_quota_us", V1, PROP_LIMIT },
	{ "cpu.cfs_burst_us", V1, PROP_LIMIT },
	{ "cpu.rt_period_us", V1, PROP_LIMIT },
	{ "cpu.rt_runtime_us", V1, PROP_LIMIT },
	{ "memory.limit_in_bytes", V1, PROP_LIMIT },
	{ "memory.memsw.limit_in_bytes", V1, PROP_LIMIT },
	{ "memory.soft_limit_in_bytes", V1, PROP_LIMIT },
	{ "memory.kmem.tcp.limit_in_bytes", V1, PROP_LIMIT },
	{ "memory.swappiness", V1, PROP_LIMIT },
	{ "memory.move_charge_at_immigrate", V1, PROP_LIMIT },
	{ "memory.oom_control", V1, PROP_LIMIT, PROP_KEYED, "oom_kill_disable" },
	{ "blkio.bfq.weight", V1, PROP_LIMIT },
	{ "blkio.throttle.read_bps_device", V1, PROP_LIMIT, PROP_LINES, "0" },
	{ "blkio.throttle.write_bps_device", V1, PROP_LIMIT, PROP_LINES, "0" },
	{ "blkio.throttle.read_iops_device", V1, PROP_LIMIT, PROP_LINES, "0" },
	{ "blkio.throttle.write_iops_device", V1, PROP_LIMIT, PROP_LINES, "0" },
	{ "net_prio.ifpriomap", V1, PROP_LIMIT, PROP_LINES, NULL },
	{ "hugetlb.2MB.limit_in_bytes", V1, PROP_LIMIT },
	{ "hugetlb.1GB.limit_in_bytes", V1, PROP_LIMIT },
	{ "pids.max", V1, PROP_LIMIT },

	{ "cgroup.type", V2, PROP_MAKE, PROP_TYPE },
	{ "cgroup.max.depth", V2, PROP_LIMIT },
	{ "cgroup.max.descendants", V2, PROP_LIMIT },
	{ "cgroup.pressure", V2, PROP_LIMIT },
	{ "cgroup.subtree_control", V2, PROP_LIMIT, PROP_SUBTREE },
	{ "cpuset.cpus", V2, PROP_LIMIT },
	{ "cpuset.mems", V2, PROP_LIMIT },
	{ "cpuset.cpus.exclusive", V2, PROP_LIMIT },
	{ "cpuset.cpus.partition", V2, PROP_LIMIT },
	{ "cpu.idle", V2, PROP_LIMIT },
	{ "cpu.weight", V2, PROP_LIMIT },
	{ "cpu.max", V2, PROP_LIMIT },
	{ "cpu.max.burst", V2, PROP_LIMIT },
	{ "cpu.uclamp.min", V2, PROP_LIMIT },
	{ "cpu.uclamp.max", V2, PROP_LIMIT },
	{ "memory.min", V2, PROP_LIMIT },
	{ "memory.low", V2, PROP_LIMIT },
	{ "memory.high", V2, PROP_LIMIT },
	{ "memory.max", V2, PROP_LIMIT },
	{ "memory.swap.high", V2, PROP_LIMIT },
	{ "memory.swap.max", V2, PROP_LIMIT },
	{ "memory.zswap.max", V2, PROP_LIMIT },
	{ "memory.zswap.writeback", V2, PROP_LIMIT },
	{ "memory.oom.group", V2, PROP_LIMIT },
	{ "io.weight", V2, PROP_LIMIT, PROP_LINES, "default" },
	{ "io.bfq.weight", V2, PROP_LIMIT, PROP_LINES, "default" },
	{ "io.max", V2, PROP_LIMIT, PROP_LINES, "rbps=max wbps=max riops=max wiops=max" },
	{ "io.latency", V2, PROP_LIMIT, PROP_LINES, "target=0" },
	{ "io.prio.class", V2, PROP_LIMIT },
	{ "hugetlb.2MB.max", V2, PROP_LIMIT },
	{ "hugetlb.1GB.max", V2, PROP_LIMIT },
	{ "pids.max", V2, PROP_LIMIT },
	{ "misc.max", V2, PROP_LIMIT, PROP_LINES, NULL },
	{ "rdma.max", V2, PROP_LIMIT, PROP_LINES, NULL },
};
const size_t cg_n_props = ARRAY_SIZE(cg_props);

const struct prop *prop_find(bool v2, const char *name)
{
	for (size_t i = 0; i < cg_n_props; i++)
		if (cg_props[i].v2 == v2 && streq(cg_props[i].name, name))
			return &cg_props[i];
	return NULL;
}

/* "key value" of a text with several, alone. */
static int cut_key(char *text, const char *key)
{
	size_t len = strlen(key);

	for (char *p = text, *line; (line = next_line(&p));)
		if (strncmp(line, key, len) == 0 && line[len] == ' ') {
			memmove(text, line + len + 1, strlen(line + len + 1) + 1);
			return 0;
		}
	return -ENOENT;
}

int prop_read(int dir, const struct prop *p, char **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int err = read_text_at(dir, p->name, &text);

	if (err == -EOPNOTSUPP || err == -ENODEV)
		err = -ENOENT; /* not in this cgroup */
	if (!err && p->form == PROP_KEYED)
		err = cut_key(text, p->arg);
	if (err < 0)
		return err;
	for (len = strlen(text); len && text[len - 1] == '\n';)
		text[--len] = 0;
	*ret = TAKE_PTR(text);
	return 0;
}

/* Whether @text has exactly the line @line. */
static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, line, len) == 0 && (p[len] == '\n' || !p[len]))
			return true;
	return false;
}

/* Whether @text has a line of the same device as @line. */
static bool has_device(const char *text, const char *line)
{
	size_t len = strcspn(line, " ");

	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, line, len) == 0 && p[len] == ' ')
			return true;
	return false;
}

static int write_lines(int dir, const struct prop *p, const char *now, const char *value)
{
	_cleanup_free_ char *was = strdup(now), *want = strdup(value);
	char *pos, *line;
	int err = 0;

	if (!was || !want)
		return -ENOMEM;
	for (pos = was; p->arg && !err && (line = next_line(&pos));)
		if (*line && !has_device(value, line))
			err = write_textf_at(dir, p->name, "%.*s %s", (int)strcspn(line, " "), line, p->arg);
	for (pos = want; !err && (line = next_line(&pos));)
		if (*line && !has_line(now, line))
			err = write_text_at(dir, p->name, line);
	return err;
}

/* "a *:* rwm" alone means everything; any other list begins from nothing. */
static int write_devices(int dir, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	char *pos = copy, *line;
	int err;

	if (!copy)
		return -ENOMEM;
	if (startswith(value, "a "))
		return write_text_at(dir, "devices.allow", "a");
	err = write_text_at(dir, "devices.deny", "a");
	while (!err && (line = next_line(&pos)))
		if (*line)
			err = write_text_at(dir, "devices.allow", line);
	return err;
}

static int write_subtree(int dir, const struct prop *p, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	char *save = NULL;
	int err = copy ? 0 : -ENOMEM;

	for (char *w = copy ? strtok_r(copy, " ", &save) : NULL; w && !err; w = strtok_r(NULL, " ", &save))
		err = write_textf_at(dir, p->name, "+%s", w);
	return err;
}

int prop_write(int dir, const struct prop *p, const char *value)
{
	_cleanup_free_ char *now = NULL;
	int err = prop_read(dir, p, &now);

	if (err < 0 || streq(now, value))
		return err;
	switch (p->form) {
	case PROP_LINES:
		return write_lines(dir, p, now, value);
	case PROP_DEVICES:
		return write_devices(dir, value);
	case PROP_SUBTREE:
		return write_subtree(dir, p, value);
	case PROP_TYPE:
		return streq(value, "threaded") ? write_text_at(dir, p->name, value) : 0;
	case PROP_TEXT:
	case PROP_KEYED:
		break;
	}
	return write_text_at(dir, p->name, value);
}
