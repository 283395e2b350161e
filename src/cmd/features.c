/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel can do. */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/syscalls.h"
#include "cmd/cmd.h"

static bool kernel_since(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

/* The system call exists: anything but ENOSYS for arguments it refuses. */
static bool has_call(long nr)
{
	return syscall(nr, -1, -1, -1, -1, -1, -1) >= 0 || errno != ENOSYS;
}

static bool has_file(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool probe_kernel(void)
{
	return kernel_since(6, 7);
}

static bool probe_pidfd_getfd(void)
{
	return has_call(SYS_pidfd_getfd);
}

static bool probe_clone3(void)
{
	return kernel_since(5, 5) && has_call(SYS_kcmp);
}

static bool probe_children(void)
{
	return has_file("/proc/thread-self/children");
}

static bool probe_mount_api(void)
{
	return has_call(SYS_mount_setattr) && has_call(SYS_move_mount);
}

static bool probe_set_group(void)
{
	return kernel_since(5, 15);
}

static bool probe_ptrace(void)
{
	return has_file("/proc/self/ns/pid") && has_file("/proc/self/syscall");
}

static bool probe_uffd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* PAGEMAP_SCAN, since 6.7; linux/fs.h of this build may be older. */
static bool probe_pagemap_scan(void)
{
	char arg[96] = { [0] = 96 };
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret, err;

	if (fd < 0)
		return false;
	ret = ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, sizeof(arg)), arg);
	err = errno;
	close(fd);
	return ret >= 0 || err != ENOTTY;
}

static bool probe_userns(void)
{
	return has_file("/proc/self/ns/user");
}

static bool probe_timens(void)
{
	return has_file("/proc/self/ns/time");
}

static bool probe_cgroupns(void)
{
	return has_file("/proc/self/ns/cgroup");
}

static bool probe_soft_dirty(void)
{
	char text[4096];
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return strstr(text, " sd") != NULL;
}

const struct feature features[] = {
	{ "kernel", "Linux 6.7 or newer", true, probe_kernel },
	{ "pidfd_getfd", "descriptors of other tasks", true, probe_pidfd_getfd },
	{ "clone3_set_tid", "tasks with their old ids", true, probe_clone3 },
	{ "children", "/proc/PID/task/TID/children", true, probe_children },
	{ "ptrace", "tasks can be looked at", true, probe_ptrace },
	{ "new_mount_api", "mounts by descriptor", true, probe_mount_api },
	{ "move_mount_set_group", "propagation groups of mounts", true, probe_set_group },
	{ "pagemap_scan", "fast page lists (6.7)", false, probe_pagemap_scan },
	{ "userfaultfd", "pages served by a program", false, probe_uffd },
	{ "userns", "user namespaces", false, probe_userns },
	{ "timens", "time namespaces", false, probe_timens },
	{ "cgroupns", "cgroup namespaces", false, probe_cgroupns },
	{ "soft_dirty", "soft-dirty tracking of pages", false, probe_soft_dirty },
};

const size_t n_features = ARRAY_SIZE(features);

size_t features_missing(void)
{
	size_t n = 0;

	for (size_t i = 0; i < n_features; i++) {
		if (!features[i].needed || features[i].probe())
			continue;
		log_error("this kernel lacks %s: %s", features[i].name, features[i].help);
		n++;
	}
	return n;
}
