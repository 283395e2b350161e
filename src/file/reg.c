/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever has a name: regular files, directories, device nodes, files of proc and sysfs, O_PATH.
 *
 * The kernel shows the path as it is now (renames included) and the mount. Opened again by a task in
 * the same mount namespace. Unlinked files: ghost.c; those that lost only this name: remap.c. Not restored:
 * files of dead processes in /proc; device nodes with state.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/log.h"
#include "file/kinds.h"
#include "file/remap.h"
#include "file/table.h"
#include "mnt/mnt.h"

static bool reg_match(const struct file_desc *f)
{
	return f->link[0] == '/';
}

/* Devices whose descriptors have no state: null, zero, full, random, urandom, kmsg. */
static bool device_is_plain(dev_t rdev)
{
	static const unsigned char mem[] = { 3, 5, 7, 8, 9, 11 };

	for (size_t i = 0; major(rdev) == 1 && i < ARRAY_SIZE(mem); i++)
		if (minor(rdev) == mem[i])
			return true;
	return false;
}

/* Why @f cannot be opened again, NULL if it can. */
static const char *reg_problem(struct dump *d, const struct file_desc *f, enum path_state state)
{
	if (S_ISBLK(f->st.st_mode) && !(f->flags & O_PATH))
		return "an open block device; close it";
	if (S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) && !device_is_plain(f->st.st_rdev))
		return "a device whose state cannot be carried over; close it";
	if (state == PATH_HIDDEN)
		return "its name leads to another file (a mount over it?); close it or unmount what hides it";
	if (state == PATH_DELETED && startswith(f->link, "/proc/"))
		return "a file of a process that is gone; close it";
	if (state == PATH_DELETED && !S_ISREG(f->st.st_mode) && !S_ISDIR(f->st.st_mode))
		return "a deleted special file; close it";
	if (state == PATH_DELETED && S_ISREG(f->st.st_mode) && d->opt->ghost_limit &&
	    (uint64_t)f->st.st_blocks * 512 > d->opt->ghost_limit)
		return "a deleted file larger than --ghost-limit; close it or raise the limit";
	return NULL;
}

#define NO_NAME                                                                                        \
	"this name of the file was removed and no other is in its directory; link it there again, or " \
	"--link-remap"

/* Where @f lies and in which state; *@ret_why: it cannot be dumped, else NULL. */
static int find_place(struct dump *d, const struct file_desc *f, enum path_state *state, char **path,
		      const char **ret_why)
{
	int err = file_path_state(d, f, state, path);

	if (err < 0)
		return err;
	*ret_why = reg_problem(d, f, *state);
	if (!*ret_why && *state == PATH_LINKED && file_other_name(d, f, path) < 0)
		*ret_why = NO_NAME;
	return 0;
}

static int reg_survey(struct dump *d, const struct file_desc *f)
{
	_cleanup_free_ char *path = NULL;
	enum path_state state;
	const char *why;
	int err = find_place(d, f, &state, &path, &why);

	if (err < 0)
		return err;
	return why ? dump_obstacle(d, "%s: %s", file_desc_name(f), why) : 0;
}

static int fill_remap(struct dump *d, const struct file_desc *f, const char *path, RegEntry *e)
{
	const char *lost = strrchr(f->link, '/') + 1;
	int err = remap_plan(d, f, path);

	if (err < 0)
		return log_errno(err, "%s: a temporary name in its directory", file_desc_name(f));
	e->has_remap = e->remap = true;
	e->lost_name = strndup(lost, strlen(lost) - strlen(" (deleted)"));
	return e->lost_name ? 0 : log_oom();
}

static int fill(struct dump *d, const struct file_desc *f, RegEntry *e)
{
	_cleanup_free_ char *path = NULL;
	enum path_state state;
	const char *why;
	int err = find_place(d, f, &state, &path, &why);

	if (err < 0)
		return err;
	if (why) {
		log_error("%s: %s", file_desc_name(f), why);
		return -EOPNOTSUPP;
	}
	err = mnt_resolve(d, f->task, f->mnt_id, path, &e->mnt_ns_id, &e->path);
	if (err < 0) {
		e->path = NULL;
		log_error("%s: lies on a mount that is not the container's; close it", file_desc_name(f));
		return -EOPNOTSUPP;
	}
	if (state == PATH_LINKED && remap_is(path))
		return fill_remap(d, f, path, e);
	if (state != PATH_DELETED)
		return 0;
	e->has_ghost_id = true;
	return ghost_dump(d, f, &e->ghost_id);
}

static int reg_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	RegEntry *e = MSG_NEW(RegEntry, reg_entry);
	int err;

	if (!e)
		return log_oom();
	msg->reg = e;
	msg->kind_case = FILE_ENTRY__KIND_REG;
	e->mode = f->st.st_mode;
	e->path = NULL;
	err = fill(d, f, e);
	if (err < 0)
		return err;
	if (S_ISREG(f->st.st_mode) && f->st.st_size) {
		e->has_size = true;
		e->size = f->st.st_size;
	}
	if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode)) {
		e->has_rdev = true;
		e->rdev = f->st.st_rdev;
	}
	return 0;
}

static struct rtask *reg_maker(struct restore *r, const FileEntry *msg)
{
	return maker_in_mnt(r, msg->reg->mnt_ns_id);
}

static int reg_deps(struct restore *r, const FileEntry *msg)
{
	const RegEntry *e = msg->reg;

	if (e->path[0] != '/') {
		log_error("%s: \"%s\" is no absolute path; the image is damaged", file_entry_name(msg),
			  e->path);
		return -EBADMSG;
	}
	if (e->remap && remap_check(e) < 0) {
		log_error("%s: %s is no temporary link; the image is damaged", file_entry_name(msg), e->path);
		return -EBADMSG;
	}
	if (e->has_ghost_id && !ghost_entry(r, e->ghost_id)) {
		log_error("%s: ghost %u is not in the image", file_entry_name(msg), e->ghost_id);
		return -EBADMSG;
	}
	return 0;
}

/* Is what we opened what was dumped? */
static int verify(const FileEntry *msg, int fd)
{
	const RegEntry *e = msg->reg;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return log_errno(errno, "%s: fstat", file_entry_name(msg));
	if ((st.st_mode & S_IFMT) != (e->mode & S_IFMT) || (e->has_rdev && st.st_rdev != e->rdev)) {
		log_error("%s: %s is now another kind of file; put the old one back", file_entry_name(msg),
			  e->path);
		return -ESTALE;
	}
	if (e->has_size && (uint64_t)st.st_size < e->size) {
		log_error("%s: %s has %lld bytes, at the dump it had %llu; put the old one back",
			  file_entry_name(msg), e->path, (long long)st.st_size, (unsigned long long)e->size);
		return -ESTALE;
	}
	return 0;
}

static int reg_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const RegEntry *e = msg->reg;
	int flags = (int)msg->flags & ~(O_TMPFILE & ~O_DIRECTORY);
	_cleanup_close_ int fd = -1;
	int err;

	if (S_ISLNK(e->mode))
		flags |= O_NOFOLLOW;
	if (e->has_ghost_id)
		fd = ghost_open(r, hand, e->ghost_id, e->path, flags);
	else if (e->remap)
		fd = remap_open(r, hand, e, flags);
	else
		fd = hand_open(hand, e->path, flags);
	if (fd == -ENOENT && e->remap) {
		log_error("%s: its temporary link %s is gone; it stays only if the dump ended the tasks, and "
			  "for one restore",
			  file_entry_name(msg), e->path);
		return fd;
	}
	if (fd < 0)
		return log_errno(fd, "%s: open %s", file_entry_name(msg), e->path);
	err = verify(msg, fd);
	if (err < 0)
		return err;
	if (e->has_rdev && e->rdev == makedev(1, 11) && !(flags & O_PATH))
		lseek(fd, 0, SEEK_END); /* kmsg: what was read is not read again */
	return take_fd(&fd);
}

const struct file_ops reg_ops = {
	.name = "file",
	.kind = FILE_ENTRY__KIND_REG,
	.match = reg_match,
	.survey = reg_survey,
	.dump = reg_dump,
	.deps = reg_deps,
	.maker = reg_maker,
	.restore = reg_restore,
};
