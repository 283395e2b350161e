/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cgroup/cg.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>

#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"

static int parse_line(char *line, struct cg_line *ret)
{
	char *ctrl = strchr(line, ':'), *path = ctrl ? strchr(ctrl + 1, ':') : NULL;
	uint32_t hier;

	if (!path)
		return -EINVAL;
	*ctrl++ = 0;
	*path++ = 0;
	if (parse_u32(line, 10, &hier) < 0 || *path != '/')
		return -EINVAL;
	*ret = (struct cg_line){ .hier = hier, .ctrl = ctrl, .path = path };
	return 0;
}

int cg_parse(char *text, struct cg_lines *ret)
{
	struct cg_lines l = { .text = text };
	char *line;

	while ((line = next_line(&text))) {
		struct cg_line parsed;
		int err;

		if (!*line)
			continue;
		err = parse_line(line, &parsed);
		if (!err && !GROW(l.v, l.n))
			err = -ENOMEM;
		if (err) {
			cg_lines_done(&l);
			return err;
		}
		l.v[l.n++] = parsed;
	}
	*ret = l;
	return 0;
}

int cg_read(pid_t pid, struct cg_lines *ret)
{
	char *text;
	int err = pid ? proc_read(pid, "cgroup", &text)
		      : read_text_at(AT_FDCWD, "/proc/thread-self/cgroup", &text);

	return err < 0 ? err : cg_parse(text, ret);
}

void cg_lines_done(struct cg_lines *l)
{
	free(l->v);
	free(l->text);
	*l = (struct cg_lines){ 0 };
}

const struct cg_line *cg_find(const struct cg_lines *l, const char *ctrl)
{
	for (size_t i = 0; i < l->n; i++)
		if (streq(l->v[i].ctrl, ctrl))
			return &l->v[i];
	return NULL;
}

bool cg_has_controller(const char *list, const char *ctrl)
{
	size_t len = strlen(ctrl);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, ctrl, len) == 0 && (p[len] == ',' || !p[len]))
			return true;
	return false;
}

static int set_flag(int fs, const char *name)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, name, NULL, 0) < 0 ? -errno : 0;
}

static int set_controllers(int fs, const char *ctrl)
{
	_cleanup_free_ char *copy = strdup(ctrl);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	if (!strstr(ctrl, ",") && startswith(ctrl, "name=") && set_flag(fs, "none") < 0)
		return -errno;
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const char *name = startswith(w, "name=");
		int err = 0;

		if (!name)
			err = set_flag(fs, w);
		else if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "name", name, 0) < 0)
			err = -errno;
		if (err)
			return err;
	}
	return 0;
}

int cg_open_root(const char *ctrl)
{
	_cleanup_close_ int fs = syscall(SYS_fsopen, *ctrl ? "cgroup" : "cgroup2", FSOPEN_CLOEXEC);
	int err, fd;

	if (fs < 0)
		return -errno;
	err = set_controllers(fs, ctrl);
	if (err < 0)
		return err;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd_high(fd);
}

int cg_open_dir(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	while (*path == '/')
		path++;
	return RET_NERRNO((int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how)));
}

bool cg_path_ok(const char *path)
{
	if (*path != '/' || strlen(path) >= 4096)
		return false;
	if (!path[1])
		return true;
	while (*path) {
		size_t len = strcspn(++path, "/");

		if (!len || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
	}
	return true;
}

bool cg_path_below(const char *path, const char *dir)
{
	const char *rest = startswith(path, dir);

	return rest && (!*rest || *rest == '/' || dir[strlen(dir) - 1] == '/');
}

void cg_path_common(char *a, const char *b)
{
	while (a[1] && !cg_path_below(b, a)) {
		char *slash = strrchr(a, '/');

		slash[slash == a] = 0;
	}
}

int cg_read_pids(int dir, const char *name, pid_t **list, size_t *n)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;
	int err = read_text_at(dir, name, &text);

	if (err < 0)
		return err;
	for (p = text; (line = next_line(&p));) {
		uint32_t pid;

		if (parse_u32(line, 10, &pid) < 0)
			return -EINVAL;
		if (!GROW(*list, *n))
			return -ENOMEM;
		(*list)[(*n)++] = (pid_t)pid;
	}
	return 0;
}

static int read_below_dir(int dir, const char *sub, const char *name, pid_t **list, size_t *n)
{
	_cleanup_close_ int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return cg_read_pids_below(fd, name, list, n);
}

int cg_read_pids_below(int dir, const char *name, pid_t **list, size_t *n)
{
	_cleanup_dir_ DIR *d = dir_open_at(dir, ".");
	struct dirent *de;
	int err;

	if (!d)
		return -errno;
	err = cg_read_pids(dir, name, list, n);
	/* a threaded cgroup of v2 has no processes of its own to list */
	if (err == -EOPNOTSUPP || err == -ENODEV)
		err = 0;
	while (err >= 0 && (de = readdir(d)))
		if (de->d_type == DT_DIR && !streq(de->d_name, ".") && !streq(de->d_name, ".."))
			err = read_below_dir(dir, de->d_name, name, list, n);
	return err;
}
