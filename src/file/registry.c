/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds, in the order they are asked; one line each. */
#include "file/kinds.h"
#include "file/table.h"
#if __has_include("sock/sock.h")
#include "sock/sock.h"
#else
static const struct file_ops *const sock_kinds[1];
static const size_t n_sock_kinds;
#endif

/* clang-format off */
static const struct file_ops *const file_kinds[] = {
	&pipe_ops,
	&eventfd_ops,
	&epoll_ops,
	&signalfd_ops,
	&timerfd_ops,
	&inotify_ops,
	&memfd_ops,
	&pidfd_ops,
	&nsfd_ops,
	&bpf_ops,
	&mqueue_ops,
	&tty_ops,
	&tun_ops,
	&macvtap_ops,
	&refused_ops,
	&reg_ops, /* last: everything that has a name */
};
/* clang-format on */

const struct file_ops *file_ops_match(const struct file_desc *f)
{
	for (size_t i = 0; i < n_sock_kinds; i++)
		if (sock_kinds[i]->match(f))
			return sock_kinds[i];
	for (size_t i = 0; i < ARRAY_SIZE(file_kinds); i++)
		if (file_kinds[i]->match(f))
			return file_kinds[i];
	return NULL;
}

const struct file_ops *file_ops_kind(FileEntry__KindCase kind)
{
	if (kind == FILE_ENTRY__KIND__NOT_SET)
		return NULL;
	for (size_t i = 0; i < n_sock_kinds; i++)
		if (sock_kinds[i]->kind == kind)
			return sock_kinds[i];
	for (size_t i = 0; i < ARRAY_SIZE(file_kinds); i++)
		if (file_kinds[i]->kind == kind)
			return file_kinds[i];
	return NULL;
}
