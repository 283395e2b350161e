/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contents of files kept in the image: only their data, holes stay holes. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "file/table.h"
#include "image/image.h"

#define CHUNK (1u << 20)

int data_extents(int fd, uint64_t size, uint64_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint64_t *ext = NULL;
	size_t n = 0;

	for (off_t at = 0; (uint64_t)at < size;) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			return -errno;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if ((uint64_t)hole > size)
			hole = (off_t)size;
		if (hole <= data)
			break;
		if (!GROW(ext, n))
			return -ENOMEM;
		ext[n++] = data;
		if (!GROW(ext, n))
			return -ENOMEM;
		ext[n++] = hole - data;
		at = hole;
	}
	*ret = TAKE_PTR(ext);
	*ret_n = n;
	return 0;
}

int data_check(const uint64_t *ext, size_t n, uint64_t size)
{
	uint64_t at = 0;

	if (n % 2 || size > INT64_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i += 2) {
		if (ext[i] < at || ext[i] > size || ext[i + 1] > size - ext[i])
			return -EBADMSG;
		at = ext[i] + ext[i + 1];
	}
	return 0;
}

static int copy_range(int from, off_t from_off, int to, off_t to_off, uint64_t len)
{
	_cleanup_free_ char *buf = malloc(CHUNK);

	if (!buf)
		return -ENOMEM;
	while (len) {
		size_t n = MIN(len, (uint64_t)CHUNK);
		int err = pread_all(from, buf, n, from_off);

		if (err >= 0)
			err = pwrite_all(to, buf, n, to_off);
		if (err < 0)
			return err;
		from_off += n;
		to_off += n;
		len -= n;
	}
	return 0;
}

int data_save(struct dump *d, int fd, const uint64_t *ext, size_t n, const char *name)
{
	_cleanup_close_ int out = image_raw_create(d->img, name);
	off_t at = 0;

	if (out < 0)
		return out;
	for (size_t i = 0; i + 1 < n; i += 2) {
		int err = copy_range(fd, (off_t)ext[i], out, at, ext[i + 1]);

		if (err < 0)
			return err;
		at += (off_t)ext[i + 1];
	}
	return 0;
}

int data_load(struct restore *r, int fd, const uint64_t *ext, size_t n, const char *name)
{
	_cleanup_close_ int in = n ? image_raw_open(r->img, name) : -1;
	off_t at = 0;

	if (n && in < 0)
		return in;
	for (size_t i = 0; i + 1 < n; i += 2) {
		int err = copy_range(in, at, fd, (off_t)ext[i], ext[i + 1]);

		if (err < 0)
			return err;
		at += (off_t)ext[i + 1];
	}
	return 0;
}
