/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Terminals. */
#include "base/log.h"
#include "file/kinds.h"
#include "file/table.h"
#include "file/tty.h"

static bool tty_match(const struct file_desc *f)
{
	return false;
}

int tty_collect_controlling(struct dump *d)
{
	return 0;
}

static int tty_dump(struct dump *d, const struct file_desc *f, FileEntry *msg)
{
	return -EOPNOTSUPP;
}

int files_ctty(struct restore *r, struct rtask *t)
{
	return 0;
}

const struct file_ops tty_ops = {
	.name = "terminal",
	.kind = FILE_ENTRY__KIND_TTY,
	.match = tty_match,
	.dump = tty_dump,
};
