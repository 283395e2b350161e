/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: --tcp-established */
/* modes: ns */
/* refuse: 1 connections wait to be accepted; try again or pass --skip-in-flight */
/* A connection with TCP_FASTOPEN whose handshake never ends is waited for, then refused, and goes on. */
#define HALF_OPEN
#include "sock_tcp_fastopen.c"
