/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink sockets; what the engine is to call is in sock/sock.h. */
#pragma once

/* netlink_news.c: messages about our own nftables at the head of the socket's queue are taken out of it. */
void netlink_forget_own(int fd);
