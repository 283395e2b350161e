/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids of the container: see user_namespaces(7) for the maps, proc(5) for NSpid. */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "file/table.h"

/* One line "inside outside count" of a map that holds @id on side @from (0 inside, 1 outside). */
static bool map_line(const char *line, int from, uint32_t id, uint32_t *ret)
{
	unsigned int v[2], count;

	if (sscanf(line, "%u %u %u", &v[0], &v[1], &count) != 3)
		return false;
	if (id < v[from] || id - v[from] >= count)
		return false;
	*ret = v[!from] + (id - v[from]);
	return true;
}

static int map_id(int proc, const char *map, int from, uint32_t id, uint32_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;
	int err = read_text_at(proc, map, &text);

	if (err < 0)
		return err;
	p = text;
	while ((line = next_line(&p)))
		if (map_line(line, from, id, ret))
			return 0;
	return -EOVERFLOW;
}

int id_to_ns(int proc, const char *map, uint32_t host, uint32_t *ret)
{
	return map_id(proc, map, 1, host, ret);
}

int id_to_host(int proc, const char *map, uint32_t id, uint32_t *ret)
{
	return map_id(proc, map, 0, id, ret);
}

#define OVERFLOW_ID 65534

int file_owner(struct dump *d, const struct file_desc *f, uint32_t *ret_uid, uint32_t *ret_gid)
{
	int proc = d->tasks[0]->proc, err;

	err = id_to_ns(proc, "uid_map", f->st.st_uid, ret_uid);
	if (err == -EOVERFLOW)
		*ret_uid = OVERFLOW_ID;
	else if (err < 0)
		return err;
	err = id_to_ns(proc, "gid_map", f->st.st_gid, ret_gid);
	if (err == -EOVERFLOW)
		*ret_gid = OVERFLOW_ID;
	else if (err < 0)
		return err;
	return 0;
}

int file_chown(struct restore *r, int fd, uint32_t uid, uint32_t gid)
{
	_cleanup_close_ int proc = proc_open(r->tasks[0].pid);
	uint32_t host_uid, host_gid;
	struct stat st;
	int err;

	if (proc < 0)
		return proc;
	err = id_to_host(proc, "uid_map", uid, &host_uid);
	if (err >= 0)
		err = id_to_host(proc, "gid_map", gid, &host_gid);
	if (err == -EOVERFLOW)
		return 0; /* an owner from outside: stays with ours */
	if (err < 0)
		return err;
	if (fstat(fd, &st) == 0 && st.st_uid == host_uid && st.st_gid == host_gid)
		return 0;
	return fchown(fd, host_uid, host_gid) < 0 ? -errno : 0;
}

/* The values of "NSpid:" or "NSpgid:", outermost first; their count. */
static int ns_pids(int proc, const char *key, int32_t *pids, int max)
{
	_cleanup_free_ char *status = NULL;
	int err = read_text_at(proc, "status", &status), n = 0;
	const char *p;

	if (err < 0)
		return err;
	p = key_value(status, key);
	while (p && *p && *p != '\n' && n < max) {
		char *end;
		long v = strtol(p, &end, 10);

		if (end == p)
			break;
		pids[n++] = (int32_t)v;
		p = end + strspn(end, " \t");
	}
	return n;
}

static int to_ns(struct dump *d, pid_t pid, const char *key, int32_t *ret)
{
	_cleanup_close_ int proc = proc_open(pid);
	int32_t pids[33];
	int level = ns_pids(d->tasks[0]->proc, "NSpid", pids, 33), n;

	if (proc < 0 || level <= 0)
		return -ESRCH;
	n = ns_pids(proc, key, pids, 33);
	if (n < level || !pids[level - 1])
		return -ESRCH;
	*ret = pids[level - 1];
	return 0;
}

int pid_to_ns(struct dump *d, pid_t pid, int32_t *ret)
{
	return to_ns(d, pid, "NSpid", ret);
}

int pid_group_to_ns(struct dump *d, pid_t pid, int32_t *ret)
{
	return to_ns(d, pid, "NSpgid", ret);
}
