/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tty.c (dump) and tty_restore.c share. */
#pragma once

#include "core/obj.h"

/* TtyEntry.kind */
enum tty_kind { TTY_MASTER = 1, TTY_SLAVE, TTY_OTHER };

int tty_deps(struct restore *r, const FileEntry *msg);
struct rtask *tty_maker(struct restore *r, const FileEntry *msg);
int tty_restore(struct restore *r, const FileEntry *msg, struct remote *hand);
int tty_finish(struct restore *r, const FileEntry *msg, int fd);
