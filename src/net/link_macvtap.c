/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The character device of a macvtap link (drivers/net/macvtap.c): its number is given out when the link is
 * made, and shown by the link's directory in sysfs. A sysfs of that network namespace is made for the look
 * and mounted nowhere.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/netns.h"
#include "net/link.h"

struct look {
	const char *name;
	uint32_t index;
	dev_t found;
};

static int look_inside(void *arg)
{
	_cleanup_close_ int fs = syscall(SYS_fsopen, "sysfs", FSOPEN_CLOEXEC), mnt = -1;
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct look *k = arg;
	unsigned int major, minor;
	int ret;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return -errno;
	path = xasprintf("class/net/%s/macvtap/tap%u/dev", k->name, k->index);
	if (!path)
		return -ENOMEM;
	ret = read_text_at(mnt, path, &text);
	if (ret < 0)
		return ret;
	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return -EPROTO;
	k->found = makedev(major, minor);
	return 0;
}

int macvtap_device(int ns_fd, const char *name, uint32_t index, dev_t *ret)
{
	struct look k = { .name = name, .index = index };
	int err = netns_call(ns_fd, look_inside, &k);

	if (err >= 0)
		*ret = k.found;
	return err < 0 ? err : 0;
}
