/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signalfd(2): the mask, by fdinfo. What can be read from it hangs on the reader, not on the descriptor. */
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/parse.h"
#include "file/kinds.h"
#include "file/table.h"

static bool signalfd_match(const struct file_desc *f)
{
	return streq(f->link, "anon_inode:[signalfd]");
}

static int signalfd_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	SignalfdEntry *e = MSG_NEW(SignalfdEntry, signalfd_entry);

	if (!e)
		return log_oom();
	msg->signalfd = e;
	msg->kind_case = FILE_ENTRY__KIND_SIGNALFD;
	if (key_u64(f->fdinfo, "sigmask", 16, &e->mask) < 0) {
		log_error("%s: no sigmask in fdinfo", file_desc_name(f));
		return -EINVAL;
	}
	return 0;
}

static int signalfd_restore(struct restore *r, const FileEntry *msg, struct remote *hand)
{
	uint64_t mask = msg->signalfd->mask;
	int fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC);

	return fd < 0 ? log_errno(errno, "%s: signalfd", file_entry_name(msg)) : fd;
}

const struct file_ops signalfd_ops = {
	.name = "signalfd",
	.kind = FILE_ENTRY__KIND_SIGNALFD,
	.match = signalfd_match,
	.dump = signalfd_dump,
	.restore = signalfd_restore,
};
