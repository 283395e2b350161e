/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where images of containers are kept when nobody says otherwise, and `ctcr list`. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "image/image.h"

int store_new(const char *ct, char **ret)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32];

	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *path = NULL;

		path = i ? xasprintf(STORE_DIR "/%s/%s-%d", ct, stamp, i)
			 : xasprintf(STORE_DIR "/%s/%s", ct, stamp);
		if (!path)
			return log_oom();
		if (access(path, F_OK) == 0)
			continue;
		*ret = TAKE_PTR(path);
		return 0;
	}
	return log_errno(-EEXIST, STORE_DIR "/%s/%s", ct, stamp);
}

static int visible(const struct dirent *de)
{
	return de->d_name[0] != '.';
}

static void free_list(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

int store_newest(const char *ct, char **ret)
{
	_cleanup_free_ char *top = xasprintf(STORE_DIR "/%s", ct), *found = NULL;
	struct dirent **list = NULL;
	int n = top ? scandir(top, &list, visible, alphasort) : -1;

	for (int i = n - 1; i >= 0 && !found; i--) {
		_cleanup_free_ char *path = xasprintf("%s/%s", top, list[i]->d_name);
		_cleanup_free_ char *inv = path ? xasprintf("%s/inventory.img", path) : NULL;

		if (inv && access(inv, F_OK) == 0)
			found = TAKE_PTR(path);
	}
	if (n >= 0)
		free_list(list, n);
	if (found) {
		*ret = TAKE_PTR(found);
		return 0;
	}
	log_error(STORE_DIR "/%s: no complete image of %s there; dump it first, or name one with -D", ct, ct);
	return -ENOENT;
}

int store_make(const char *ct)
{
	_cleanup_free_ char *path = xasprintf(STORE_DIR "/%s", ct);

	if (!path)
		return log_oom();
	if ((mkdir(STORE_DIR, 0700) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return log_errno(errno, "%s: cannot make the directory", path);
	return 0;
}

static uint64_t files_size(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	uint64_t sum = 0;
	struct stat st;

	while (dir && (de = readdir(dir)))
		if (fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += st.st_size;
	if (dir)
		closedir(dir);
	return sum;
}

static void print_size(uint64_t size)
{
	static const char units[] = "BKMGT";
	double v = (double)size;
	int u = 0;

	for (; v >= 1024 && u < 4; u++)
		v /= 1024;
	printf(u ? "%7.1f%c" : "%7.0f%c", v, units[u]);
}

static const char *image_state(const char *path)
{
	_cleanup_free_ char *inv = xasprintf("%s/inventory.img", path);
	InventoryEntry *msg;

	if (!inv || access(inv, F_OK) < 0)
		return "unfinished";
	log_quiet(true);
	if (image_peek(path, &msg) < 0) {
		log_quiet(false);
		return "damaged";
	}
	log_quiet(false);
	inventory_entry__free_unpacked(msg, NULL);
	return "complete";
}

/* The images of one container; false if its directory cannot be read. */
static bool list_container(const char *ct)
{
	_cleanup_free_ char *top = xasprintf(STORE_DIR "/%s", ct);
	struct dirent **list;
	int n = top ? scandir(top, &list, visible, alphasort) : -1;

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", top, list[i]->d_name);
		struct stat st;

		if (!path || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		printf("%-16s %-24s ", ct, list[i]->d_name);
		print_size(files_size(path));
		printf("  %s\n", image_state(path));
	}
	if (n >= 0)
		free_list(list, n);
	return n >= 0;
}

int cmd_list(struct options *o, const struct option_rest *rest)
{
	struct dirent **list;
	int n;

	if (o->ct && check_name(o->ct) < 0)
		return 1;
	printf("%-16s %-24s %8s  %s\n", "NAME", "TIME", "SIZE", "STATE");
	if (o->ct)
		return list_container(o->ct) || errno == ENOENT
			       ? 0
			       : usage_error(STORE_DIR "/%s: %s", o->ct, strerror(errno));
	n = scandir(STORE_DIR, &list, visible, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : usage_error(STORE_DIR ": %s", strerror(errno));
	for (int i = 0; i < n; i++)
		list_container(list[i]->d_name);
	free_list(list, n);
	return 0;
}
