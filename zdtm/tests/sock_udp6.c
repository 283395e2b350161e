/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP over IPv6, as sock_udp. */
#define DOMAIN AF_INET6
#include "sock_udp.c"
