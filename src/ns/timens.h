/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks and time namespaces, inside ns/. */
#pragma once

#include "ns/kinds.h"

struct timens_offsets {
	int64_t monotonic, boottime; /* ns */
};

/* The text of /proc/PID/timens_offsets; changed in place. */
int timens_parse(char *text, struct timens_offsets *ret);
/* The clocks as the root task reads them now. */
int timens_clock(struct dump *d, ClockEntry *ret);
/* The root's hand, in its user namespace and with one thread, enters a new time namespace. */
int timens_restore(struct restore *r, struct rtask *t);
