/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open namespace files, namespaces(7): "net:[4026531840]". Restored from a task that lives in that namespace.
 * Not restored: namespaces in which no task of the container lives.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/procfs.h"
#include "file/kinds.h"
#include "file/table.h"

static int kind_of(const char *link)
{
	for (int k = 0; k < NS_KINDS; k++) {
		const char *rest = startswith(link, ns_names[k]);

		if (rest && startswith(rest, ":["))
			return k;
	}
	return -ENOENT;
}

static bool nsfd_match(const struct file_desc *f)
{
	return kind_of(f->link) >= 0;
}

#define EMPTY "a namespace no process of the container lives in; close it"

/* Ours, which is the host's. */
static bool is_own(const struct file_desc *f)
{
	uint64_t own;

	return proc_ns_ino(getpid(), ns_names[kind_of(f->link)], &own) == 0 && own == f->st.st_ino;
}

static int nsfd_survey(struct dump *d, const struct file_desc *f)
{
	return dump_find_ns(d, f->st.st_ino) || is_own(f) ? 0
							  : dump_obstacle(d, "%s: " EMPTY, file_desc_name(f));
}

static int nsfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	NsfdEntry *e = MSG_NEW(NsfdEntry, nsfd_entry);
	struct ns *ns = dump_find_ns(d, f->st.st_ino);

	if (!e)
		return log_oom();
	msg->nsfd = e;
	msg->kind_case = FILE_ENTRY__KIND_NSFD;
	e->kind = kind_of(f->link);
	if (ns) {
		e->ns_id = ns->id;
		return 0;
	}
	if (!is_own(f)) {
		log_error("%s: " EMPTY, file_desc_name(f));
		return -EOPNOTSUPP;
	}
	return 0;
}

static int nsfd_deps(struct restore *r, const FileEntry *msg)
{
	if (msg->nsfd->kind < NS_KINDS)
		return 0;
	log_error("%s: bad namespace kind %u; the image is damaged", file_entry_name(msg), msg->nsfd->kind);
	return -EBADMSG;
}

static int nsfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const NsfdEntry *e = msg->nsfd;
	const struct rtask *t = e->ns_id ? restore_task_in(r, e->kind, e->ns_id) : NULL;
	char path[64];
	int fd;

	if (e->ns_id && !t) {
		log_error("%s: nobody lives in that namespace", file_entry_name(msg));
		return -ENOENT;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", t ? t->pid : getpid(), ns_names[e->kind]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? log_errno(errno, "%s: %s", file_entry_name(msg), path) : fd;
}

const struct file_ops nsfd_ops = {
	.name = "namespace",
	.kind = FILE_ENTRY__KIND_NSFD,
	.match = nsfd_match,
	.survey = nsfd_survey,
	.dump = nsfd_dump,
	.deps = nsfd_deps,
	.restore = nsfd_restore,
};
