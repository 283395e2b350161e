/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/procfs.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"

int proc_open(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return RET_NERRNO(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int proc_read(pid_t pid, const char *name, char **ret)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return read_text_at(AT_FDCWD, path, ret);
}

static int cmp_int(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

int proc_list(int dirfd, const char *name, int **ret, size_t *ret_n)
{
	_cleanup_dir_ DIR *dir = dir_open_at(dirfd, name);
	_cleanup_free_ int *list = NULL;
	struct dirent *de;
	size_t n = 0;

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		uint32_t v;

		if (parse_u32(de->d_name, 10, &v) < 0)
			continue;
		if (!GROW(list, n))
			return -ENOMEM;
		list[n++] = (int)v;
	}
	if (n)
		qsort(list, n, sizeof(*list), cmp_int);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

int proc_errno(int dirfd, int err)
{
	if (err != -EACCES && err != -ENOENT)
		return err;
	return faccessat(dirfd, "stat", F_OK, 0) < 0 ? -ESRCH : err;
}

static int add_children(char *text, pid_t **list, size_t *n)
{
	char *save = NULL;

	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		uint32_t v;

		if (parse_u32(w, 10, &v) < 0)
			return -EINVAL;
		if (!GROW(*list, *n))
			return -ENOMEM;
		(*list)[(*n)++] = (pid_t)v;
	}
	return 0;
}

int proc_children(pid_t pid, pid_t **ret, size_t *ret_n)
{
	_cleanup_close_ int dir = proc_open(pid);
	_cleanup_free_ pid_t *list = NULL;
	_cleanup_free_ int *tids = NULL;
	size_t n = 0, n_tids;
	int err;

	if (dir < 0)
		return dir;
	err = proc_list(dir, "task", &tids, &n_tids);
	for (size_t i = 0; err >= 0 && i < n_tids; i++) {
		_cleanup_free_ char *text = NULL;
		char path[64];

		snprintf(path, sizeof(path), "task/%d/children", tids[i]);
		err = read_text_at(dir, path, &text);
		if (err == -ENOENT || err == -ESRCH) {
			err = 0;
			continue;
		}
		if (err >= 0)
			err = add_children(text, &list, &n);
	}
	if (err < 0)
		return err;
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

int proc_ns_ino(pid_t pid, const char *name, uint64_t *ret)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	if (stat(path, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

int proc_ns_numbers(const char *status, const char *key, int v[32])
{
	const char *p = key_value(status, key);
	int n = 0, used;

	if (!p)
		return 0;
	for (; n < 32 && *p && *p != '\n' && sscanf(p, "%d%n", &v[n], &used) == 1; n++) {
		p += used;
		while (*p == '\t' || *p == ' ')
			p++;
	}
	return n;
}

const char *proc_stat_field(const char *stat, int n)
{
	const char *p = strrchr(stat, ')');

	if (!p)
		return NULL;
	for (int i = 2; i < n; i++) {
		p = strchr(p, ' ');
		if (!p)
			return NULL;
		p++;
	}
	return p;
}
