/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a test's images, and its end. */
#pragma once

#include <dirent.h>
#include <unistd.h>

/* Remove every file of an image in @path, and the directory if that was all. */
static inline void image_dir_clear(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d)))
		unlinkat(dirfd(d), de->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}
