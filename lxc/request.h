/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The request file between lxc_restore() and the criu that LXC runs. Inner header of lxc/. */
#pragma once

#define REQUEST_ENV "CTCR_REQUEST"

/* Write @words (NULL-terminated) to the new file @name below @dir. */
int request_write(int dir, const char *name, char *const *words);
