/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is under way in a terminal: characters typed and not read by the slave, output not read by the master.
 * The kernel lets nobody look without taking, so it is taken and put back at once; the attributes that would
 * change it on its way are off meanwhile. Pure system calls; negative errno.
 */
#pragma once

#include "base/util.h"

/* A copy of the slave's input; *@ret malloc()ed, NULL if there is none. Unfinished lines too. */
int tty_peek_input(int slave, char **ret, size_t *ret_len);
/* A copy of what @master (not in packet mode) has to read; @slave: any descriptor of its slave that does not
 * block. */
int tty_peek_output(int master, int slave, char **ret, size_t *ret_len);
/* Put such data into a fresh terminal. */
int tty_put_input(int slave, const char *data, size_t len);
int tty_put_output(int slave, const char *data, size_t len);
