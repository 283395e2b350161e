/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XXH3-128 of whole files. */
#include <fcntl.h>

#include "base/io.h"
#include "image/internal.h"

#define CHUNK (1UL << 20)

void image_sum_done(const XXH3_state_t *state, uint8_t *ret)
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(state));
	memcpy(ret, c.digest, IMAGE_SUM_SIZE);
}

static int sum_chunks(int fd, XXH3_state_t *state, uint64_t *ret_size)
{
	_cleanup_free_ void *buf = aligned_alloc(4096, CHUNK);
	off_t off = 0;

	if (!buf)
		return -ENOMEM;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = pread(fd, buf, CHUNK, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		XXH3_128bits_update(state, buf, n);
		off += n;
	}
	*ret_size = off;
	return 0;
}

int image_sum_fd(int fd, uint8_t *ret, uint64_t *ret_size)
{
	XXH3_state_t *state = XXH3_createState();
	int err;

	if (!state)
		return -ENOMEM;
	XXH3_128bits_reset(state);
	err = sum_chunks(fd, state, ret_size);
	if (err >= 0)
		image_sum_done(state, ret);
	XXH3_freeState(state);
	return err;
}
