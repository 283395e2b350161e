/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTS namespaces, uts_namespaces(7): host name and NIS domain name; the kernel shows nothing else. */
#include <sys/utsname.h>

#include "base/log.h"
#include "ns/kinds.h"

static int read_names(void *arg)
{
	return uname(arg) < 0 ? -errno : 0;
}

static int uts_dump(struct dump *d, const struct ns *ns, NsEntry *msg)
{
	struct utsname u;
	int err = ns_visit(ns->fd, read_names, &u);

	if (err < 0)
		return log_errno(err, "uts namespace of pid %d", ns->task->pid);
	msg->uts = malloc(sizeof(*msg->uts));
	if (!msg->uts)
		return log_oom();
	uts_ns_entry__init(msg->uts);
	msg->uts->nodename = strdup(u.nodename);
	msg->uts->domainname = strdup(u.domainname);
	return msg->uts->nodename && msg->uts->domainname ? 0 : log_oom();
}

static int uts_check(const struct restore *r, const NsEntry *msg)
{
	if (!msg->uts || strlen(msg->uts->nodename) > 64 || strlen(msg->uts->domainname) > 64)
		return -EBADMSG;
	return 0;
}

static int write_names(void *arg)
{
	const UtsNsEntry *msg = arg;

	if (sethostname(msg->nodename, strlen(msg->nodename)) < 0 ||
	    setdomainname(msg->domainname, strlen(msg->domainname)) < 0)
		return -errno;
	return 0;
}

static int uts_restore(struct restore *r, struct rtask *t, const NsEntry *msg)
{
	int err = ns_visit_task(t->pid, NS_UTS, write_names, msg->uts);

	return err < 0 ? log_errno(err, "uts namespace %u: host name %s", msg->id, msg->uts->nodename) : 0;
}

const struct ns_ops ns_uts_ops = { .dump = uts_dump, .check = uts_check, .restore = uts_restore };
