/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockets.h for tests that look at TCP windows; to be included before any other header of TCP. */
#pragma once

#include <linux/tcp.h>

#define _NETINET_TCP_H /* that of the C library lacks tcpi_snd_wnd and the window of repair mode */
#include "sockets.h"

/* The windows of a connection, as TCP_REPAIR_WINDOW shows them. */
static inline struct tcp_repair_window windows_of(int fd)
{
	struct tcp_repair_window w;
	socklen_t len = sizeof(w);

	set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len))
		pfail("TCP_REPAIR_WINDOW");
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, -1);
	return w;
}
