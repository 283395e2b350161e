/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inventory.img: written last (the commit), read and proved first. */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "image/internal.h"

static int cmp_member(const void *a, const void *b)
{
	return strcmp(((const struct image_member *)a)->name, ((const struct image_member *)b)->name);
}

static int open_member(const struct image *img, const char *name)
{
	int fd = openat(img->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? log_errno(errno, "%s/%s", img->path, name) : fd;
}

/* Its way to the disk begins, while it is summed (record files are already). */
static int sum_file(struct image *img, size_t i)
{
	struct image_member *m = &img->files[i];
	_cleanup_close_ int fd = open_member(img, m->name);
	int err = 0;

	if (fd < 0)
		return fd;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (!m->summed)
		err = image_sum_fd(fd, m->sum, &m->size);
	return err < 0 ? log_errno(err, "%s/%s: reading it again", img->path, m->name) : 0;
}

/* All at once, so that few commits of the file system's journal cover them; the last is the inventory. */
static int sync_file(struct image *img, size_t i)
{
	const char *name = i < img->n_files ? img->files[i].name : INVENTORY_TMP;
	_cleanup_close_ int fd = open_member(img, name);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? log_errno(errno, "%s/%s: writing to disk", img->path, name) : 0;
}

static int list_files(struct image *img, InventoryEntry *inv)
{
	qsort(img->files, img->n_files, sizeof(*img->files), cmp_member);
	inv->files = calloc(img->n_files + 1, sizeof(*inv->files));
	if (!inv->files)
		return log_oom();
	for (size_t i = 0; i < img->n_files; i++) {
		struct image_member *m = &img->files[i];
		ImageFileEntry *e = malloc(sizeof(*e));

		if (!e)
			return log_oom();
		image_file_entry__init(e);
		inv->files[inv->n_files++] = e;
		e->size = m->size;
		e->sum.data = malloc(sizeof(m->sum));
		e->name = strdup(m->name);
		e->type = m->type ? strdup(m->type) : NULL;
		if (!e->name || !e->sum.data || (m->type && !e->type))
			return log_oom();
		e->sum.len = sizeof(m->sum);
		memcpy(e->sum.data, m->sum, sizeof(m->sum));
	}
	return 0;
}

static int pack_inventory(const InventoryEntry *inv, struct strbuf *s)
{
	uint8_t header[IMAGE_HEADER_MAX];
	size_t size = inventory_entry__get_packed_size(inv), n = image_header(header, "inventory");
	uint32_t len = htole32((uint32_t)size);
	XXH128_canonical_t sum;

	if (size > INVENTORY_MAX)
		return -EFBIG;
	if (strbuf_add(s, header, n) < 0 || strbuf_add(s, &len, sizeof(len)) < 0 ||
	    strbuf_reserve(s, size + sizeof(sum)) < 0)
		return -ENOMEM;
	s->len += inventory_entry__pack(inv, (uint8_t *)s->buf + s->len);
	XXH128_canonicalFromHash(&sum, XXH3_128bits(s->buf, s->len));
	return strbuf_add(s, sum.digest, sizeof(sum.digest));
}

static int write_inventory(struct image *img)
{
	_cleanup_strbuf_ struct strbuf s = { 0 };
	_cleanup_close_ int fd = -1;
	int err = pack_inventory(img->inventory, &s);

	if (err >= 0 && unlinkat(img->dirfd, INVENTORY_TMP, 0) < 0 && errno != ENOENT)
		err = -errno;
	if (err < 0)
		return log_errno(err, "%s/" INVENTORY_TMP, img->path);
	fd = openat(img->dirfd, INVENTORY_TMP, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : write_all(fd, s.buf, s.len);
	return err < 0 ? log_errno(err, "%s/" INVENTORY_TMP, img->path) : 0;
}

int image_commit(struct image *img)
{
	int err = 0;

	if (!img->inventory)
		err = image_describe(img, &(const struct image_about){ 0 });
	if (err >= 0)
		err = image_each(img, img->n_files, sum_file);
	if (err >= 0)
		err = list_files(img, img->inventory);
	if (err >= 0)
		err = write_inventory(img);
	if (err >= 0)
		err = image_each(img, img->n_files + 1, sync_file);
	if (err < 0)
		return err;
	if (renameat(img->dirfd, INVENTORY_TMP, img->dirfd, INVENTORY_NAME) < 0)
		return log_errno(errno, "%s/" INVENTORY_NAME, img->path);
	img->writing = false;
	if (fsync(img->dirfd) < 0)
		return log_errno(errno, "%s: writing to disk", img->path);
	return 0;
}

/* Reading. */

static int damaged(const char *path, const char *what)
{
	log_error("%s/" INVENTORY_NAME ": %s; the image is damaged", path, what);
	return -EBADMSG;
}

static int unpack_inventory(const char *path, const struct strbuf *s, InventoryEntry **ret)
{
	int head = image_header_check(s->buf, s->len, "inventory");
	XXH128_canonical_t sum;
	uint32_t len;

	if (head < 0)
		return damaged(path, "not an inventory of this format");
	if (s->len < head + sizeof(len) + sizeof(sum))
		return damaged(path, "too short");
	memcpy(&len, s->buf + head, sizeof(len));
	len = le32toh(len);
	if (s->len - head - sizeof(len) - sizeof(sum) != len)
		return damaged(path, "wrong length");
	XXH128_canonicalFromHash(&sum, XXH3_128bits(s->buf, s->len - sizeof(sum)));
	if (memcmp(&sum, s->buf + s->len - sizeof(sum), sizeof(sum)) != 0)
		return damaged(path, "wrong checksum");
	*ret = inventory_entry__unpack(NULL, len, (const uint8_t *)s->buf + head + sizeof(len));
	return *ret ? 0 : damaged(path, "not readable");
}

static int load_inventory(int dirfd, const char *path, InventoryEntry **ret)
{
	_cleanup_close_ int fd =
		openat(dirfd, INVENTORY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf s = { 0 };
	struct stat st;
	int err;

	if (fd < 0 && errno == ENOENT) {
		log_error("%s: no image, or an unfinished one: it has no " INVENTORY_NAME, path);
		return -ENOENT;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return log_errno(errno, "%s/" INVENTORY_NAME, path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)INVENTORY_MAX)
		return damaged(path, "not a regular file of a sensible size");
	err = read_fd(fd, &s);
	if (err < 0)
		return log_errno(err, "%s/" INVENTORY_NAME, path);
	return unpack_inventory(path, &s, ret);
}

int image_peek(const char *path, InventoryEntry **ret)
{
	_cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return log_errno(errno, "%s", path);
	return load_inventory(dirfd, path, ret);
}

/* The inventory's list as img->files, every name checked. */
static int take_files(struct image *img)
{
	const InventoryEntry *inv = img->inventory;

	img->files = calloc(inv->n_files + 1, sizeof(*img->files));
	if (!img->files)
		return log_oom();
	for (size_t i = 0; i < inv->n_files; i++) {
		const ImageFileEntry *e = inv->files[i];
		struct image_member *m = &img->files[i];

		if (!image_name_ok(e->name) || streq(e->name, INVENTORY_NAME))
			return damaged(img->path, "a file name that cannot be");
		if (e->sum.len != IMAGE_SUM_SIZE)
			return damaged(img->path, "a checksum of a wrong length");
		if (i && strcmp(inv->files[i - 1]->name, e->name) >= 0)
			return damaged(img->path, "a file named twice or out of order");
		m->name = strdup(e->name);
		if (!m->name)
			return log_oom();
		img->n_files++;
		m->size = e->size;
		memcpy(m->sum, e->sum.data, IMAGE_SUM_SIZE);
		m->summed = true;
	}
	return 0;
}

static int verify_file(struct image *img, size_t i)
{
	const struct image_member *m = &img->files[i];
	_cleanup_close_ int fd = openat(img->dirfd, m->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t sum[IMAGE_SUM_SIZE];
	uint64_t size;
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st) < 0)
		return log_errno(errno, "%s/%s: listed in the inventory", img->path, m->name);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->size) {
		log_error("%s/%s: %lld bytes, the inventory says %llu; the image is damaged", img->path,
			  m->name, (long long)st.st_size, (unsigned long long)m->size);
		return -EBADMSG;
	}
	err = image_sum_fd(fd, sum, &size);
	if (err < 0)
		return log_errno(err, "%s/%s: read", img->path, m->name);
	if (size == m->size && memcmp(sum, m->sum, sizeof(sum)) == 0)
		return 0;
	log_error("%s/%s: wrong checksum; the image is damaged", img->path, m->name);
	return -EBADMSG;
}

static int open_in(struct image *img)
{
	int err;

	img->dirfd = open(img->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (img->dirfd < 0)
		return log_errno(errno, "%s", img->path);
	img->dirfd = fd_high(img->dirfd);
	err = load_inventory(img->dirfd, img->path, &img->inventory);
	if (err < 0)
		return err;
	if (img->inventory->format != IMAGE_FORMAT)
		return damaged(img->path, "another format than this ctcr reads");
	err = take_files(img);
	return err < 0 ? err : image_each(img, img->n_files, verify_file);
}

int image_open(const char *path, struct image **ret)
{
	struct image *img = calloc(1, sizeof(*img));
	int err;

	if (!img)
		return log_oom();
	img->dirfd = -1;
	img->path = strdup(path);
	err = img->path ? open_in(img) : log_oom();
	if (err < 0) {
		image_free(img);
		return err;
	}
	*ret = img;
	return 0;
}
