/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ops table of every kind in this folder; see core/obj.h. */
#pragma once

#include "core/obj.h"

extern const struct file_ops pipe_ops;
extern const struct file_ops eventfd_ops;
extern const struct file_ops epoll_ops;
extern const struct file_ops signalfd_ops;
extern const struct file_ops timerfd_ops;
extern const struct file_ops inotify_ops;
extern const struct file_ops memfd_ops;
extern const struct file_ops pidfd_ops;
extern const struct file_ops nsfd_ops;
extern const struct file_ops bpf_ops;
extern const struct file_ops mqueue_ops;
extern const struct file_ops tty_ops;
extern const struct file_ops tun_ops;
extern const struct file_ops macvtap_ops;
extern const struct file_ops refused_ops; /* matches what cannot be restored and says so */
extern const struct file_ops reg_ops;
