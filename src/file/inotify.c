/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inotify(7): fdinfo shows the inode (with a file handle) and mask of every watch, no path. inode_path.c
 * finds one. Watches are added at the very end, when restore itself opens nothing any more, under their old
 * numbers: the kernel hands out ascending ones, skipped ones are used up by a watch that is removed again.
 * Not restored: events that were queued and not read (a warning says so), watches of deleted inodes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/parse.h"
#include "file/inode_path.h"
#include "file/kinds.h"
#include "file/table.h"
#include "mnt/mnt.h"

#define MASK_KEPT (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)
#define WD_MAX (1 << 20)

static bool inotify_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:inotify") || streq(f->link, "anon_inode:[inotify]");
}

/* "inotify wd:1 ino:a sdev:800001 mask:80c ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:0a00..." */
static int parse_watch(const char *line, InotifyWatch *w, struct inode_ref *ref)
{
	unsigned int wd, sdev, mask, bytes, type;
	unsigned long long ino;
	const char *hex = strstr(line, "f_handle:");
	int n = sscanf(
		line,
		"inotify wd:%x ino:%llx sdev:%x mask:%x ignored_mask:%*x fhandle-bytes:%x fhandle-type:%x",
		&wd, &ino, &sdev, &mask, &bytes, &type);

	if (n < 4)
		return -EINVAL;
	w->wd = (int32_t)wd;
	w->mask = mask & MASK_KEPT;
	ref->dev = makedev(sdev >> 20, sdev & 0xfffff);
	ref->ino = ino;
	if (n == 4) /* an inode about to go, as of a removed cgroup, has no handle */
		return -ESTALE;
	if (n != 6 || !hex || bytes > sizeof(ref->handle))
		return -EINVAL;
	ref->handle_type = (int)type;
	ref->handle_len = bytes;
	hex += strlen("f_handle:");
	for (size_t i = 0; i < bytes; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &ref->handle[i]) != 1)
			return -EINVAL;
	return 0;
}

static int add_watch(struct dump *d, const struct file_desc *f, const char *line, InotifyEntry *e)
{
	_cleanup_free_ char *link = NULL;
	InotifyWatch *w = MSG_NEW(InotifyWatch, inotify_watch);
	struct inode_ref ref;
	int err, mnt_id;

	if (!w || !GROW(e->watches, e->n_watches)) {
		free(w);
		return log_oom();
	}
	w->path = NULL;
	e->watches[e->n_watches++] = w;
	err = parse_watch(line, w, &ref);
	if (err < 0 && err != -ESTALE)
		return log_errno(err, "%s: cannot read \"%s\" of fdinfo", file_desc_name(f), line);
	if (err >= 0)
		err = inode_path(f->task, &ref, &link, &mnt_id);
	if (err >= 0)
		err = mnt_resolve(d, f->task, mnt_id, link, &w->mnt_ns_id, &w->path);
	if (err >= 0)
		return 0;
	log_warn("%s: watch %d is on inode %llu of device %u:%u, which has no name (%s): dropped",
		 file_desc_name(f), w->wd, (unsigned long long)ref.ino, major(ref.dev), minor(ref.dev),
		 strerror(-err));
	e->n_watches--;
	free(w);
	return 0;
}

static int cmp_wd(const void *a, const void *b)
{
	const InotifyWatch *x = *(InotifyWatch *const *)a, *y = *(InotifyWatch *const *)b;

	return x->wd < y->wd ? -1 : x->wd > y->wd;
}

static int inotify_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	_cleanup_free_ char *text = strdup(f->fdinfo);
	InotifyEntry *e = MSG_NEW(InotifyEntry, inotify_entry);
	char *p = text, *line;
	int queued = 0;

	msg->inotify = e;
	if (!text || !e)
		return log_oom();
	msg->kind_case = FILE_ENTRY__KIND_INOTIFY;
	while ((line = next_line(&p))) {
		int err = startswith(line, "inotify wd:") ? add_watch(d, f, line, e) : 0;

		if (err < 0)
			return err;
	}
	if (e->n_watches)
		qsort(e->watches, e->n_watches, sizeof(*e->watches), cmp_wd);
	if (ioctl(f->fd, FIONREAD, &queued) == 0 && queued)
		log_warn("%s: %d bytes of events not read yet are not carried over", file_desc_name(f),
			 queued);
	return 0;
}

static int inotify_deps(struct restore *r, const FileEntry *msg)
{
	int32_t last = 0;

	for (size_t i = 0; i < msg->inotify->n_watches; i++) {
		const InotifyWatch *w = msg->inotify->watches[i];

		if (w->wd <= last || w->wd > WD_MAX || w->path[0] != '/' || !w->mask) {
			log_error("%s: bad watch %d; the image is damaged", file_entry_name(msg), w->wd);
			return -EBADMSG;
		}
		last = w->wd;
	}
	return 0;
}

static int inotify_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	int fd = inotify_init1(IN_CLOEXEC);

	return fd < 0 ? log_errno(errno, "%s: inotify_init1", file_entry_name(msg)) : fd;
}

/* Use up the numbers from *@next to @wd - 1. */
static int skip_to(struct remote *h, int number, int32_t *next, int32_t wd)
{
	while (*next < wd) {
		int32_t n = MIN(wd - *next, 100);

		for (int32_t i = 0; i < n; i++) {
			struct remote_call *add, *rm;

			add = remote_call(h, SYS_inotify_add_watch, number,
					  remote_str(h, "/proc/self/status"), IN_ATTRIB);
			rm = remote_call(h, SYS_inotify_rm_watch, number, 0);
			remote_ref(h, rm, 1, add);
		}
		if (remote_run(h) < 0)
			return -EIO;
		*next += n;
	}
	return 0;
}

static int add_watches(const FileEntry *msg, struct remote *h, int number)
{
	const InotifyEntry *e = msg->inotify;
	int32_t next = 1;

	for (size_t i = 0; i < e->n_watches; i++) {
		const InotifyWatch *w = e->watches[i];
		long wd;
		int err = skip_to(h, number, &next, w->wd);

		if (err < 0)
			return log_errno(err, "%s: reaching watch %d", file_entry_name(msg), w->wd);
		wd = remote_syscall(h, SYS_inotify_add_watch, number, remote_str(h, w->path),
				    w->mask | IN_DONT_FOLLOW);
		if (wd < 0)
			return log_errno((int)wd, "%s: watch %d on %s", file_entry_name(msg), w->wd, w->path);
		if (wd != w->wd) {
			log_error("%s: watch %d on %s came back as %ld", file_entry_name(msg), w->wd, w->path,
				  wd);
			return -EEXIST;
		}
		next = w->wd + 1;
	}
	return 0;
}

/* What adding and skipping left in the queue. */
static int drain(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	char buf[8192];

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

static int inotify_finish(struct restore *r, const FileEntry *msg, int fd)
{
	const InotifyEntry *e = msg->inotify;
	struct rtask *t = e->n_watches ? maker_in_mnt(r, e->watches[0]->mnt_ns_id) : NULL;
	int number, err;

	if (!e->n_watches)
		return 0;
	if (!t)
		return log_errno(-ENOENT, "%s: no task in its mount namespace", file_entry_name(msg));
	err = remote_give_fds(t->hand, &fd, 1, &number);
	if (err < 0)
		return log_errno(err, "%s: giving it to task %u", file_entry_name(msg), t->msg->id);
	err = add_watches(msg, t->hand, number);
	if (err >= 0)
		err = (int)remote_syscall(t->hand, SYS_close, number);
	return err < 0 ? err : drain(fd);
}

const struct file_ops inotify_ops = {
	.name = "inotify",
	.kind = FILE_ENTRY__KIND_INOTIFY,
	.match = inotify_match,
	.dump = inotify_dump,
	.deps = inotify_deps,
	.restore = inotify_restore,
	.finish = inotify_finish,
};
