/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: a small process that outlives ctcr and holds the masters of ptys whose masters lived
 * outside of the container (LXC's console and ttys), drains them while nobody is attached and hands
 * them out to `ctcr console`. It ends when the container's init ends.
 *
 * Its socket is KEEPER_DIR/NAME/console.sock, AF_UNIX SEQPACKET, for root only. A client sends the
 * name of a tty ("console", "tty1"); the answer is "ok" or why not; after "ok" comes a packet with
 * the master as SCM_RIGHTS. The client has it until it closes the connection.
 */
#pragma once

#include <sys/un.h>

#include "core/restore.h"

#define KEEPER_DIR "/run/ctcr"
#define KEEPER_TTYS 64
#define KEEPER_NAME_MAX 32

struct keeper;

/*
 * Keep @master_fd (consumed, also on failure) as @tty_name. 0 or a negative errno, logged.
 * To be called before keeper_start().
 */
int keeper_add(struct restore *r, int master_fd, const char *tty_name);
/* Anything to keep? Then fork the keeper, for as long as @init_pid lives; our masters are closed. */
int keeper_start(struct restore *r, pid_t init_pid);
/* Close and forget what keeper_add() collected (a failed restore). */
void keeper_done(struct restore *r);

/* The address of the keeper of the container @name; -ENAMETOOLONG. */
int keeper_address(const char *name, struct sockaddr_un *ret);
