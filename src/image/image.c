/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory: creating, finding and removing files; raw files. */
#include "image/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/internal.h"

bool image_name_ok(const char *name)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	return n > 0 && n <= IMAGE_NAME_MAX && name[0] != '.' && strspn(name, ok) == n && !strstr(name, "..");
}

struct image_member *image_find(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->n_files; i++)
		if (streq(img->files[i].name, name))
			return &img->files[i];
	return NULL;
}

bool image_has(const struct image *img, const char *name)
{
	_cleanup_free_ char *file = xasprintf("%s.img", name);

	return image_find(img, name) || (file && image_find(img, file));
}

const ProtobufCMessageDescriptor *image_type(const char *name)
{
	for (size_t i = 0; image_descriptors[i]; i++)
		if (streq(image_descriptors[i]->name, name))
			return image_descriptors[i];
	return NULL;
}

int image_dirfd(const struct image *img)
{
	return img->dirfd;
}

const char *image_path(const struct image *img)
{
	return img->path;
}

const InventoryEntry *image_inventory(const struct image *img)
{
	return img->inventory;
}

static bool left_by_a_dump(const char *name)
{
	static const char *const names[] = { ".", "..", INVENTORY_TMP, "lost+found" };
	static const char *const ends[] = { ".img", ".tar", ".log", ".json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (streq(name, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (endswith(name, ends[i]))
			return true;
	return false;
}

static int check_vacant(int dirfd, const char *path)
{
	if (faccessat(dirfd, INVENTORY_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		log_error("%s: holds an image already (" INVENTORY_NAME "); choose another directory", path);
		return -EEXIST;
	}
	return errno == ENOENT ? 0 : log_errno(errno, "%s/" INVENTORY_NAME, path);
}

int image_place_check(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	int err;

	if (!dir)
		return errno == ENOENT ? 0 : log_errno(errno, "%s", path);
	err = check_vacant(dirfd(dir), path);
	while (err == 0 && (de = readdir(dir))) {
		if (left_by_a_dump(de->d_name))
			continue;
		log_error("%s: is not empty (%s is no file of an image); choose another directory", path,
			  de->d_name);
		err = -ENOTEMPTY;
	}
	closedir(dir);
	return err;
}

static struct image *image_new(const char *path)
{
	struct image *img = calloc(1, sizeof(*img));

	if (!img)
		return NULL;
	img->dirfd = -1;
	img->path = strdup(path);
	if (!img->path) {
		free(img);
		return NULL;
	}
	return img;
}

static int create_in(struct image *img)
{
	int err;

	img->made_dir = mkdir(img->path, 0700) == 0;
	if (!img->made_dir && errno != EEXIST)
		return log_errno(errno, "%s: cannot make the directory", img->path);
	img->dirfd = open(img->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (img->dirfd < 0)
		return log_errno(errno, "%s", img->path);
	img->dirfd = fd_high(img->dirfd);
	if (flock(img->dirfd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		log_error("%s: another dump is writing there; choose another directory", img->path);
		return -EBUSY;
	}
	err = check_vacant(img->dirfd, img->path);
	img->ours = err >= 0;
	return err;
}

int image_create(const char *path, struct image **ret)
{
	struct image *img = image_new(path);
	int err;

	if (!img)
		return log_oom();
	img->writing = true;
	err = create_in(img);
	if (err < 0) {
		if (img->made_dir)
			rmdir(img->path);
		image_free(img);
		return err;
	}
	*ret = img;
	return 0;
}

int image_member_create(struct image *img, const char *name)
{
	_cleanup_close_ int fd = -1;
	char *copy;

	if (!img->writing || !image_name_ok(name) || streq(name, INVENTORY_NAME)) {
		log_error("%s/%s: no name for a new image file", img->path, name);
		return -EINVAL;
	}
	if (image_find(img, name)) {
		log_error("%s/%s: made twice", img->path, name);
		return -EEXIST;
	}
	if (unlinkat(img->dirfd, name, 0) < 0 && errno != ENOENT)
		return log_errno(errno, "%s/%s: leftover of an earlier dump", img->path, name);
	fd = openat(img->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_errno(errno, "%s/%s", img->path, name);
	copy = strdup(name);
	if (!copy || !GROW(img->files, img->n_files)) {
		free(copy);
		unlinkat(img->dirfd, name, 0);
		return log_oom();
	}
	img->files[img->n_files++] = (struct image_member){ .name = copy };
	return fd_high(take_fd(&fd));
}

int image_raw_create(struct image *img, const char *name)
{
	return image_member_create(img, name);
}

int image_raw_summed(struct image *img, const char *name, const XXH3_state_t *state, uint64_t size)
{
	struct image_member *m = image_find(img, name);

	if (!m)
		return -ENOENT;
	image_sum_done(state, m->sum);
	m->size = size;
	m->summed = true;
	return 0;
}

int image_raw_open(struct image *img, const char *name)
{
	int fd;

	if (!image_find(img, name))
		return -ENOENT;
	fd = openat(img->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return log_errno(errno, "%s/%s", img->path, name);
	return fd_high(fd);
}

/* The inventory first: what is left if we die half-way is no image. */
void image_remove(struct image *img)
{
	if (!img->ours)
		return;
	if (img->dirfd >= 0) {
		unlinkat(img->dirfd, INVENTORY_NAME, 0);
		unlinkat(img->dirfd, INVENTORY_TMP, 0);
	}
	for (size_t i = 0; i < img->n_files; i++)
		unlinkat(img->dirfd, img->files[i].name, 0);
	if (img->made_dir)
		rmdir(img->path);
	img->ours = false;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	for (size_t i = 0; i < img->n_files; i++)
		free(img->files[i].name);
	free(img->files);
	if (img->inventory)
		protobuf_c_message_free_unpacked(&img->inventory->base, NULL);
	close_fd(&img->dirfd);
	free(img->path);
	free(img);
}
