/* SPDX-License-Identifier: GPL-2.0-or-later */
/* eventfd(2): fdinfo shows the counter and the semaphore flag; nothing is lost. */
#include <sys/eventfd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "file/kinds.h"
#include "file/table.h"

static bool eventfd_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:[eventfd]");
}

static int eventfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	EventfdEntry *e = MSG_NEW(EventfdEntry, eventfd_entry);
	uint64_t semaphore = 0;

	if (!e)
		return log_oom();
	msg->eventfd = e;
	msg->kind_case = FILE_ENTRY__KIND_EVENTFD;
	if (key_u64(f->fdinfo, "eventfd-count", 16, &e->count) < 0) {
		log_error("%s: no eventfd-count in fdinfo", file_desc_name(f));
		return -EINVAL;
	}
	key_u64(f->fdinfo, "eventfd-semaphore", 10, &semaphore); /* since Linux 6.5 */
	e->semaphore = semaphore;
	return 0;
}

static int eventfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	const EventfdEntry *e = msg->eventfd;
	_cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (e->semaphore ? EFD_SEMAPHORE : 0));
	int err = 0;

	if (fd < 0)
		return log_errno(errno, "%s: eventfd", file_entry_name(msg));
	/* The argument of eventfd() has 32 bits, the counter 64; UINT64_MAX (only the kernel's own) cannot be
	 * written. */
	if (e->count)
		err = write_all(fd, &e->count, sizeof(e->count));
	if (err < 0)
		return log_errno(err, "%s: counter %llu", file_entry_name(msg), (unsigned long long)e->count);
	return take_fd(&fd);
}

const struct file_ops eventfd_ops = {
	.name = "eventfd",
	.kind = FILE_ENTRY__KIND_EVENTFD,
	.match = eventfd_match,
	.dump = eventfd_dump,
	.restore = eventfd_restore,
};
