/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CLONE_FS shares: current directory, root directory, umask. /proc/PID/{cwd,root} give paths in
 * the task's mount namespace; a removed directory cannot be restored.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "task/kinds.h"

static int read_dir(const struct task *t, const char *what, char **ret)
{
	struct stat st;
	int err = readlink_at(t->proc, what, ret);

	if (err < 0)
		return log_errno(err, "pid %d: %s", t->pid, what);
	if (fstatat(t->proc, what, &st, 0) < 0)
		return log_errno(-errno, "pid %d: %s (%s)", t->pid, what, *ret);
	if (st.st_nlink == 0) {
		log_error("pid %d: its %s (%s) was removed; let it change directory first", t->pid, what,
			  *ret);
		return -EOPNOTSUPP;
	}
	return 0;
}

int fs_dump(struct dump *d, struct task *t)
{
	FsEntry *fs = calloc(1, sizeof(*fs));
	_cleanup_free_ char *status = NULL;
	uint64_t mask = 022;
	int ret;

	if (!fs)
		return -ENOMEM;
	fs_entry__init(fs);
	t->msg->fs = fs;
	fs->id = t->fs_id;
	ret = read_dir(t, "cwd", &fs->cwd);
	if (ret >= 0)
		ret = read_dir(t, "root", &fs->root);
	if (ret >= 0)
		ret = read_text_at(t->proc, "status", &status);
	if (ret >= 0)
		ret = key_u64(status, "Umask", 8, &mask);
	fs->umask = (uint32_t)mask;
	return ret;
}

static const FsEntry *find_fs(const struct restore *r, uint32_t id)
{
	for (size_t i = 0; i < r->n_tasks; i++)
		if (r->tasks[i].msg->fs && r->tasks[i].msg->fs->id == id)
			return r->tasks[i].msg->fs;
	return NULL;
}

/* Tasks that share a root change it together: paths are opened before chroot. */
int fs_restore(struct restore *r, struct rtask *t)
{
	const FsEntry *fs = find_fs(r, t->msg->fs_id);
	struct remote *h = t->hand;
	struct remote_call *cwd;
	int ret;

	if (!fs)
		return -EBADMSG;
	cwd = remote_call(h, SYS_open, remote_str(h, fs->cwd), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (!streq(fs->root, "/"))
		remote_call(h, SYS_chroot, remote_str(h, fs->root));
	remote_ref(h, remote_call(h, SYS_fchdir, 0), 0, cwd);
	remote_ref(h, remote_call(h, SYS_close, 0), 0, cwd);
	remote_call(h, SYS_umask, fs->umask);
	ret = remote_run(h);
	return ret < 0 ? log_errno(ret, "pid %d: cwd %s, root %s", t->msg->pid, fs->cwd, fs->root) : 0;
}
