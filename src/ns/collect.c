/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which namespaces there are and who is in them: /proc/PID/ns (namespaces(7)) by inode, owner and
 * parent by ioctl_ns(2). A zombie has left all but its user and pid namespaces; it counts as being
 * where its parent is.
 */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/procfs.h"
#include "ns/kinds.h"

static int ns_open(const struct task *t, enum ns_kind kind)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "ns/%s", ns_names[kind]);
	fd = openat(t->proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? proc_errno(t->proc, -errno) : fd_high(fd);
}

static int ino_of(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

/* A new entry for the namespace open as @fd, which is consumed. */
static int ns_add(struct dump *d, struct task *t, enum ns_kind kind, int fd, uint64_t ino)
{
	struct ns *ns = calloc(1, sizeof(*ns));

	if (!ns || !GROW(d->ns, d->n_ns)) {
		free(ns);
		close(fd);
		return -ENOMEM;
	}
	*ns = (struct ns){ .kind = kind, .id = d->n_ns + 1, .ino = ino, .fd = fd, .task = t };
	d->ns[d->n_ns++] = ns;
	t->ns[kind] = ns;
	return 0;
}

static int collect_one(struct dump *d, struct task *t, enum ns_kind kind, uint64_t own)
{
	uint64_t ino = 0;
	int err, fd = ns_open(t, kind);

	/* The survey's tasks run, and some end. */
	if (fd < 0 && (t->state == TASK_ZOMBIE || (t->parent && (fd == -ESRCH || fd == -ENOENT)))) {
		t->ns[kind] = t->parent ? t->parent->ns[kind] : NULL;
		return 0;
	}
	if (fd < 0)
		return fd;
	err = ino_of(fd, &ino);
	if (!err && ino != own && !(t->ns[kind] = dump_find_ns(d, ino)))
		return ns_add(d, t, kind, fd, ino);
	close(fd);
	return err;
}

/* The namespace the ioctl @request names: one of ours, NULL for any other. */
static struct ns *related(struct dump *d, const struct ns *ns, unsigned long request)
{
	_cleanup_close_ int fd = ioctl(ns->fd, request);
	uint64_t ino;

	if (fd < 0 || ino_of(fd, &ino) < 0)
		return NULL;
	return dump_find_ns(d, ino);
}

int ns_collect(struct dump *d)
{
	uint64_t own[NS_KINDS];
	int err;

	ns_dump_done(d);
	for (int k = 0; k < NS_KINDS; k++) {
		err = proc_ns_ino(getpid(), ns_names[k], &own[k]);
		if (err < 0)
			return log_errno(err, "/proc/self/ns/%s", ns_names[k]);
	}
	for (size_t i = 0; i < d->n_tasks; i++)
		for (int k = 0; k < NS_KINDS; k++) {
			d->tasks[i]->ns[k] = NULL;
			err = collect_one(d, d->tasks[i], k, own[k]);
			if (err < 0)
				return log_errno(err, "pid %d: %s namespace", d->tasks[i]->pid, ns_names[k]);
		}
	for (size_t i = 0; i < d->n_ns; i++) {
		struct ns *ns = d->ns[i];

		ns->owner = ns->kind == NS_USER ? NULL : related(d, ns, NS_GET_USERNS);
		if (ns->kind == NS_USER || ns->kind == NS_PID)
			ns->parent = related(d, ns, NS_GET_PARENT);
	}
	return 0;
}

void ns_dump_done(struct dump *d)
{
	for (size_t i = 0; i < d->n_ns; i++) {
		close_fd(&d->ns[i]->fd);
		free(d->ns[i]);
	}
	for (size_t i = 0; i < d->n_tasks; i++)
		memset(d->tasks[i]->ns, 0, sizeof(d->tasks[i]->ns));
	free(d->ns);
	d->ns = NULL;
	d->n_ns = 0;
}
