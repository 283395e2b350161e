/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ops table of every kind in this folder; see core/obj.h. */
#pragma once

#include "core/obj.h"

extern const struct file_ops unix_ops;
extern const struct file_ops tcp_ops;
extern const struct file_ops inet_ops;
extern const struct file_ops netlink_ops;
extern const struct file_ops packet_ops;
extern const struct file_ops refused_sock_ops; /* families that cannot be restored; says so */
