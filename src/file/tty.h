/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Terminals: what other parts need of them. Negative errno; failures are logged here. */
#pragma once

#include "core/restore.h"

/*
 * For mnt/, before it binds pts nodes: make pty @index of the new devpts whose root directory (also of a
 * detached mount) is @devpts_fd (ours, borrowed), so that its node exists. The master is held by the file
 * store; what opens the tty later uses it, and a master nobody in the image holds goes to the keeper as
 * @name (last part of the mount point: "console", "tty1"). Asking again for the same one is fine.
 */
int tty_prepare(struct restore *r, int devpts_fd, uint32_t index, const char *name);
/*
 * For mnt/: the container shows tty @index of the host's devpts (LXC's console when lxc.pty.max is 1).
 * *@ret_path: malloc()ed path on the host of the tty to bind instead: of the one given by --inherit-fd
 * tty[...], or of a new one, whose master goes to the keeper.
 */
int tty_prepare_console(struct restore *r, uint32_t index, char **ret_path);
/*
 * Make the controlling terminal of session leader @t its own (TIOCSCTTY), by its hand. Best called after
 * its setsid() and before its children are cloned: those get it by inheritance only. Makes the terminal
 * when it is not there yet; needs the mounts. No-op for a task that leads no session with a terminal.
 */
int files_ctty(struct restore *r, struct rtask *t);
/*
 * --shell-job: our own terminal is the restored job's while we wait for it. Group @pgrp comes to the
 * foreground, if we are there; 0: our own again.
 */
void tty_foreground(pid_t pgrp);
