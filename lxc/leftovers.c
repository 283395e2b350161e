/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a killed restore left of a container that is stopped: its cgroups, empty. LXC would take
 * lxc.payload.NAME-1 beside them. A cgroup that still holds a process cannot be removed and stays.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/log.h"
#include "cgroup/cg.h"
#include "container.h"

#define DEPTH_MAX 32

static void remove_tree(int up, const char *name, int depth)
{
	int fd = openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;

	if (!dir) {
		close_fd(&fd);
		return;
	}
	while (depth < DEPTH_MAX && (de = readdir(dir)))
		if (de->d_type == DT_DIR && !streq(de->d_name, ".") && !streq(de->d_name, ".."))
			remove_tree(fd, de->d_name, depth + 1);
	closedir(dir);
	if (unlinkat(up, name, AT_REMOVEDIR) == 0)
		log_info("removed the empty cgroup %s of a restore that was killed", name);
}

void container_remove_leftovers(const char *name)
{
	static const char *const kinds[] = { "payload", "monitor" };
	struct cg_lines lines _cleanup_cg_lines_ = { 0 };

	if (cg_read(0, &lines) < 0)
		return;
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_close_ int root = cg_open_root(lines.v[i].ctrl);

		for (size_t k = 0; root >= 0 && k < ARRAY_SIZE(kinds); k++) {
			_cleanup_free_ char *dir = xasprintf("lxc.%s.%s", kinds[k], name);

			if (dir)
				remove_tree(root, dir, 0);
		}
	}
}
