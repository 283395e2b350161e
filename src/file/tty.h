/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Terminals: what other parts need of them. */
#pragma once

#include "core/restore.h"

/* After files_install(): make the controlling terminal of session leader @t its own (TIOCSCTTY), by its hand. */
int files_ctty(struct restore *r, struct rtask *t);
