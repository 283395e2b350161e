/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ctcr, run by a user, tells ctcr, run by LXC as "criu": words of a command line, each ended by
 * a NUL, in the file that CTCR_REQUEST names.
 */
#include "lxc/request.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "lxc/lxc.h"

#define MAX_SIZE (1 << 20)
#define MAX_WORDS 4096

int request_write(int dir, const char *name, char *const *words)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret = fd < 0 ? -errno : 0;

	for (; !ret && *words; words++)
		ret = write_all(fd, *words, strlen(*words) + 1);
	return ret;
}

/* Only root's own file is believed: the words decide what is restored from where. */
static int request_open(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	return st.st_size > MAX_SIZE ? -EFBIG : take_fd(&fd);
}

static int split(const struct strbuf *text, char ***ret)
{
	size_t n = 0, i = 0;
	char **words, *to;

	if (!text->len || text->buf[text->len - 1])
		return -EINVAL;
	for (size_t at = 0; at < text->len; at++)
		n += !text->buf[at];
	if (n > MAX_WORDS)
		return -EINVAL;
	words = malloc((n + 1) * sizeof(*words) + text->len);
	if (!words)
		return -ENOMEM;
	to = (char *)&words[n + 1];
	memcpy(to, text->buf, text->len);
	for (; i < n; i++) {
		words[i] = to;
		to += strlen(to) + 1;
	}
	words[n] = NULL;
	*ret = words;
	return 0;
}

int lxc_request_words(char ***ret)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };
	const char *path = getenv(REQUEST_ENV);
	_cleanup_close_ int fd = path ? request_open(path) : -1;
	int res;

	if (!path || fd == -ENOENT)
		return -ENOENT;
	res = fd < 0 ? fd : read_fd(fd, &text);
	if (res >= 0)
		res = split(&text, ret);
	return res < 0 ? log_errno(res, "request %s", path) : 0;
}
