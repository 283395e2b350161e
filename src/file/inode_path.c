/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file/inode_path.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/parse.h"
#include "file/table.h"

#define WALK_MAX 400000

/* One line of mountinfo: "36 35 98:0 /root /point ...". */
struct line {
	int id;
	unsigned int major, minor;
	char *point;
};

static bool parse_line(char *text, struct line *l)
{
	int at = 0;
	char *end;

	if (sscanf(text, "%d %*d %u:%u %*s %n", &l->id, &l->major, &l->minor, &at) < 3 || !at)
		return false;
	l->point = text + at;
	end = strchr(l->point, ' ');
	if (!end)
		return false;
	*end = 0;
	unescape_octal(l->point);
	return true;
}

static bool is_it(int root, const char *path, const struct inode_ref *ref)
{
	struct stat st;

	return fstatat(root, path[1] ? path + 1 : ".", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == ref->ino && st.st_dev == ref->dev;
}

/* By handle, through the mount @point. */
static int by_handle(int root, const char *point, const struct inode_ref *ref, char **ret)
{
	_cleanup_close_ int dir = openat(root, point[1] ? point + 1 : ".",
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			    fd = -1;
	_cleanup_free_ struct file_handle *h = malloc(sizeof(*h) + ref->handle_len);
	_cleanup_free_ char *path = NULL;
	char link[40];
	int err;

	if (dir < 0 || !h)
		return dir < 0 ? -ENOENT : -ENOMEM;
	h->handle_bytes = ref->handle_len;
	h->handle_type = ref->handle_type;
	memcpy(h->f_handle, ref->handle, ref->handle_len);
	fd = open_by_handle_at(dir, h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	err = readlink_at(AT_FDCWD, link, &path);
	if (err < 0)
		return err;
	if (path[0] != '/' || !is_it(root, path, ref))
		return -ENOENT;
	*ret = TAKE_PTR(path);
	return 0;
}

/* By walking through the file system below @point (one mount). */
static int by_walk(const struct task *t, const char *point, const struct inode_ref *ref, char **ret)
{
	char top[PATH_MAX], *paths[] = { top, NULL };
	size_t prefix;
	unsigned int seen = 0;
	FTSENT *e;
	FTS *fts;

	prefix = snprintf(top, sizeof(top), "/proc/%d/root", t->pid);
	snprintf(top + prefix, sizeof(top) - prefix, "%s", point);
	fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR | FTS_COMFOLLOW, NULL);
	if (!fts)
		return -errno;
	*ret = NULL;
	while (!*ret && (e = fts_read(fts)) && ++seen < WALK_MAX)
		if (e->fts_info != FTS_DP && e->fts_statp->st_ino == ref->ino &&
		    e->fts_statp->st_dev == ref->dev)
			*ret = strdup(e->fts_path + prefix);
	fts_close(fts);
	return *ret ? 0 : -ENOENT;
}

/* Try all mounts of that file system. */
static int through_mounts(struct task *t, int root, const struct inode_ref *ref, bool walk, char **ret,
			  int *ret_mnt_id)
{
	_cleanup_free_ char *text = NULL;
	char *p, *line;
	struct line l;
	int err = read_text_at(t->proc, "mountinfo", &text);

	p = text;
	while (err >= 0 && (line = next_line(&p))) {
		if (!parse_line(line, &l) || makedev(l.major, l.minor) != ref->dev)
			continue;
		if ((walk ? by_walk(t, l.point, ref, ret) : by_handle(root, l.point, ref, ret)) == 0) {
			*ret_mnt_id = l.id;
			return 0;
		}
	}
	return err < 0 ? err : -ENOENT;
}

int inode_path(struct task *t, const struct inode_ref *ref, char **ret, int *ret_mnt_id)
{
	_cleanup_close_ int root = RET_NERRNO(openat(t->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
	int err = root < 0 ? root : through_mounts(t, root, ref, false, ret, ret_mnt_id);

	return err == -ENOENT || err == -ESTALE ? through_mounts(t, root, ref, true, ret, ret_mnt_id) : err;
}
