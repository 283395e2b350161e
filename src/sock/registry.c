/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of sockets, in the order they are asked; one line each. */
#include "sock/kinds.h"
#include "sock/sock.h"

const struct file_ops *const sock_kinds[] = {
	&unix_ops,    &tcp_ops,	   &inet_ops,
	&netlink_ops, &packet_ops, &refused_sock_ops, /* last: every socket no other kind claimed */
};

const size_t n_sock_kinds = ARRAY_SIZE(sock_kinds);
