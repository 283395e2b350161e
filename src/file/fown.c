/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who gets SIGIO: F_SETOWN_EX, F_SETSIG and O_ASYNC, fcntl(2). The kernel remembers the ids of the one
 * who set it (F_GETOWNER_UIDS) and checks them when it sends; they are set by wearing them for the call.
 */
#include <fcntl.h>

#include "base/log.h"
#include "base/procfs.h"
#include "base/syscalls.h"
#include "file/install.h"
#include "file/table.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

static int dump_owner(struct dump *d, const struct file_desc *f, const struct f_owner_ex *own, FownEntry *e)
{
	uint32_t uids[2];
	int proc = d->tasks[0]->proc;

	e->type = own->type;
	if (pid_to_ns(d, own->pid, &e->pid) < 0) {
		log_warn("%s: F_SETOWN names pid %d outside the container: dropped", file_desc_name(f),
			 own->pid);
		e->pid = 0;
		return 0;
	}
	if (fcntl(f->fd, F_GETOWNER_UIDS, uids) < 0)
		return 0; /* kernel without CONFIG_CHECKPOINT_RESTORE: root's */
	if (id_to_ns(proc, "uid_map", uids[0], &e->uid) < 0 ||
	    id_to_ns(proc, "uid_map", uids[1], &e->euid) < 0)
		e->uid = e->euid = 0;
	return 0;
}

int fown_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	struct f_owner_ex own = { 0 };
	int sig;

	if (f->flags & O_PATH || f->fd < 0)
		return 0;
	sig = fcntl(f->fd, F_GETSIG);
	if (fcntl(f->fd, F_GETOWN_EX, &own) < 0 || sig < 0)
		return 0;
	if (!own.pid && !sig)
		return 0;
	msg->fown = MSG_NEW(FownEntry, fown_entry);
	if (!msg->fown)
		return log_oom();
	msg->fown->signum = sig;
	return own.pid ? dump_owner(d, f, &own, msg->fown) : 0;
}

/* The pid, as we see it, of what @e names; 0: nobody. */
static pid_t find_owner(const struct restore *r, const FownEntry *e)
{
	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct rtask *t = &r->tasks[i];

		if (t->msg->n_ns_pids && t->msg->ns_pids[t->msg->n_ns_pids - 1] == e->pid)
			return t->pid;
		for (size_t j = 0; e->type == F_OWNER_TID && j < t->n_threads; j++) {
			const ThreadEntry *th = t->threads[j].msg;

			if (th->n_ns_tids && th->ns_tids[th->n_ns_tids - 1] == e->pid)
				return t->threads[j].tid;
		}
	}
	for (size_t i = 0; e->type == F_OWNER_PGRP && i < r->n_tasks; i++)
		if (r->tasks[i].msg->pgid == e->pid)
			return getpgid(r->tasks[i].pid);
	return 0;
}

static int host_uid(int proc, uint32_t id)
{
	uint32_t host;

	return id_to_host(proc, "uid_map", id, &host) < 0 ? 0 : (int)host;
}

/* Only this thread changes its ids (no libc wrapper), and gets them back from the saved one. */
static int set_owner(const struct restore *r, const FownEntry *e, int fd, const struct f_owner_ex *own)
{
	_cleanup_close_ int proc = proc_open(r->tasks[0].pid);
	int uid = host_uid(proc, e->uid), euid = host_uid(proc, e->euid), ret;
	bool wear = uid || euid;

	if (wear && syscall(SYS_setresuid, uid, euid, 0) < 0)
		return -errno;
	ret = fcntl(fd, F_SETOWN_EX, own) < 0 ? -errno : 0;
	if (wear && syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -errno;
	return ret;
}

/* The kernel notes the number O_ASYNC was set by, for si_fd: set by a holder. */
static int set_async(struct restore *r, const FileEntry *msg, int fd)
{
	struct file_place p;
	int now = fcntl(fd, F_GETFL), err = now < 0 ? -errno : file_place_find(r, msg, fd, &p);

	if (err >= 0)
		err = (int)remote_syscall(p.task->hand, SYS_fcntl, p.number, F_SETFL, now | O_ASYNC);
	if (err >= 0)
		err = file_place_done(&p);
	return err < 0 ? log_errno(err, "%s: O_ASYNC", file_entry_name(msg)) : 0;
}

int fown_restore(struct restore *r, const FileEntry *msg, int fd)
{
	const FownEntry *e = msg->fown;

	if (e && e->signum && fcntl(fd, F_SETSIG, e->signum) < 0)
		return log_errno(errno, "%s: F_SETSIG %u", file_entry_name(msg), e->signum);
	if (e && e->pid) {
		struct f_owner_ex own = { .type = e->type, .pid = find_owner(r, e) };
		int err = own.pid > 0 ? set_owner(r, e, fd, &own) : 0;

		if (own.pid <= 0)
			log_warn("%s: F_SETOWN: no process %d in the image", file_entry_name(msg), e->pid);
		if (err < 0)
			return log_errno(err, "%s: F_SETOWN", file_entry_name(msg));
	}
	return msg->flags & O_ASYNC && !(msg->flags & O_PATH) ? set_async(r, msg, fd) : 0;
}
