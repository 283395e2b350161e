/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kinds of open file descriptions: the ops table every file/ and sock/ kind fills.
 *
 * A description is dumped once, whoever holds it. The kind claims it with match(), fills its message
 * with dump(), and makes it again with restore(), standing in the right place through a hand.
 */
#pragma once

#include <sys/stat.h>

#include "core/dump.h"
#include "core/restore.h"
#include "proto/file.pb-c.h"

/* A description at dump time. */
struct file_desc {
	uint32_t id; /* from 1: FileEntry.id */
	int fd; /* our own descriptor of it (pidfd_getfd), in the survey too: fstat, getsockopt, ioctl are
		   safe */
	struct task *task; /* a task that holds it */
	int task_fd; /* under this number; -1: only mapped, or an executable */
	struct stat st;
	char *link; /* text of /proc/PID/fd/N: path, "pipe:[123]", "anon_inode:[eventpoll]" */
	char *fdinfo; /* text of /proc/PID/fdinfo/N */
	uint32_t flags; /* O_* of fdinfo without O_CLOEXEC */
	uint64_t pos;
	int mnt_id; /* of fdinfo */
};

/*
 * Object kinds. match: is it ours? survey: obstacles visible without stopping anybody. collect: when
 * all numbered descriptors are known, files_add() what only this one holds. dump: fill @msg (allocate with
 * malloc; freed by protobuf_c_message_free_unpacked). deps: ids of files that must exist first, appended with
 * file_dep(). restore: make the object by @hand and return our own descriptor of it (position and O_* status
 * flags are set by the core afterwards). finish: after all descriptors are handed out (queues filled,
 * connections out of repair, watches of others).
 */
struct file_ops {
	const char *name;
	FileEntry__KindCase kind;
	bool (*match)(const struct file_desc *f);
	int (*survey)(struct dump *d, const struct file_desc *f);
	int (*collect)(struct dump *d, const struct file_desc *f);
	int (*dump)(struct dump *d, const struct file_desc *f, FileEntry *msg);
	int (*deps)(struct restore *r, const FileEntry *msg);
	/* The task by whose hand it is made; NULL member: any task in the root's namespaces. */
	struct rtask *(*maker)(struct restore *r, const FileEntry *msg);
	int (*restore)(struct restore *r, const FileEntry *msg, struct remote *hand);
	int (*finish)(struct restore *r, const FileEntry *msg, int fd);
};

/* "file 17 (pid 12 fd 5, unix socket, socket:[99])", in a static ring of buffers, for messages. */
const char *file_desc_name(const struct file_desc *f);
const char *file_entry_name(const FileEntry *msg);
